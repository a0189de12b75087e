"""A fleet of many nodes: equal ones are one row, the odd ones out are seen, questions count."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from fleetctl.model.status import Problem, ServiceState, ServiceStatus
from fleetctl.quantities import first_ones
from fleetctl.tui.counting import among_nodes, named
from fleetctl.tui.folding import FROM, LEAST, Fold, Likenesses, NodeRow, folded, is_bad, node_rows
from fleetctl.tui.topology.draw import draw
from fleetctl.tui.topology.node_counts import MOST_NAMED
from tests.health.world import World
from tests.tui.fleets import fleet_of, moving, stage_of
from tests.tui.stage import Screen, opened

NUMBER = 50


def rows_of(text: str) -> list[str]:
    """The rows of the nodes' table."""
    lines = [line.split("││")[-1] for line in text.splitlines()]
    first = next(n for n, line in enumerate(lines) if "ssh data  node" in line) + 1
    return [line.strip("│ ▁▂▃▄▅▆▇█") for line in lines[first : first + 8]]


def test_the_odd_ones_out_come_first_then_many_that_are_bad_then_those_that_are_well() -> None:
    kinds = ["well"] * 20 + ["hot"] + ["lost"] * LEAST + ["well", "server"]
    rows = [NodeRow(f"n{number}", None) for number in range(len(kinds))]
    of = {row.key: (kind,) for row, kind in zip(rows, kinds, strict=True)}
    found = folded(rows, Likenesses(of, {("well",), ("server",)}), lambda row: (0, 0))
    told = [e.title if isinstance(e, Fold) else e.node for e in found]
    assert told == ["n20", f"{LEAST} nodes", "n27", "21 nodes"]


@pytest.mark.parametrize(
    ("state", "said", "bad"),
    [
        *(("ready", "", False), ("stopped", "", False), ("starting", "", False)),
        *(("failed", "", True), ("unknown", "", True), ("ready", "cut off", True)),
    ],
)
def test_what_is_stopped_or_starting_is_not_bad(state: ServiceState, said: str, bad: bool) -> None:
    status = World(fleet_of(1)).check().status
    row = node_rows(fleet_of(1), fleet_of(1).jobs["train"])[0]
    services = {row.key: ServiceStatus("worker", row.node, 0, state)}
    assert is_bad(row, replace(status, services=services), said) is bad


@pytest.mark.parametrize("number", [0, 1, LEAST - 1])
def test_a_few_equal_ones_are_not_folded(number: int) -> None:
    rows = [NodeRow(f"n{place}", None) for place in range(number)]
    alike = Likenesses({row.key: ("same",) for row in rows}, set())
    assert folded(rows, alike, lambda row: (0, 0)) == rows


@pytest.mark.parametrize(
    ("names", "listed", "begun"),
    [
        ([], "", ""),
        (["a"], "a", "a"),
        (list("abcdef"), "a, b, c, d, e, f", "a, b, c, d, e, f"),
        (list("abcdefg"), "7 nodes", "a, b, c, d, e, f and 1 more"),
    ],
)
def test_few_names_are_listed_and_many_are_counted(
    names: Sequence[str], listed: str, begun: str
) -> None:
    assert named(names, "node") == listed
    assert first_ones(names) == begun


def test_those_with_problems_are_named_also_where_only_an_instance_is_affected() -> None:
    nodes = [f"pi{number}" for number in range(1, 201)]
    problems = [
        Problem("disk-full", "error", "no space", "pi17"),
        Problem("straggler", "warning", "it lags", None, affects=("worker@pi40", "worker@pi112")),
        Problem("other", "error", "elsewhere", "mini1"),
    ]
    said = "200 nodes, 3 of them with problems: pi17, pi40, pi112"
    assert among_nodes(nodes, problems) == said
    assert among_nodes(nodes, []) == "200 nodes"


def test_equal_nodes_are_one_row_which_opens_and_closes() -> None:
    async def body() -> None:
        stage = stage_of(NUMBER)
        stage.states["worker@n037"] = "failed"
        async with opened((130, 42), stage, ready=f"{NUMBER - 1}/{NUMBER} ranks") as screen:
            text = await screen.until("▸ 49 nodes", "Nodes · 1 not well", "n037", gone="n001")
            bad, many, *_ = rows_of(text)
            assert "n037" in bad
            assert "✖ failed" in bad
            assert "● ready" in many
            assert "≥7 737" in many  # the step of the last of them
            await screen.type("g", "j")
            await screen.until("x stop worker on 49 nodes")
            await screen.type("enter")
            await screen.until("▾ 49 nodes", "n001", "n002")
            await screen.type("j", "j", "left")
            await screen.until("▸ 49 nodes", "x stop worker on 49 nodes", gone="n001")
            await screen.type("right")
            await screen.until("▾ 49 nodes", "n001")
            await screen.type("left")
            await one_goes_its_own_way(screen)
            await it_is_found(screen)

    asyncio.run(asyncio.wait_for(body(), 60))


async def one_goes_its_own_way(screen: Screen) -> None:
    screen.stage.steps["worker@n005"] = moving(7000, quiet_s=45)
    screen.stage.change()
    await screen.until("▸ 48 nodes", "▲ silent", "n005")


async def it_is_found(screen: Screen) -> None:
    await screen.type("slash", "n", "0", "1")
    text = await screen.until(f"10 of {NUMBER}")
    assert [row.split()[2] for row in rows_of(text)][:3] == ["n010", "n011", "n012"]
    await screen.type("escape")
    await screen.until("▸ 48 nodes")
    await screen.type("S", "S")  # by load: each by itself
    await screen.until("load first", "n001", gone="▸")


def test_questions_count_and_say_which_are_the_problem() -> None:
    async def body() -> None:
        stage = stage_of(NUMBER)
        stage.states["worker@n037"] = "failed"
        async with opened((130, 42), stage, ready=f"{NUMBER - 1}/{NUMBER} ranks") as screen:
            await screen.until("▸ 49 nodes")
            await screen.type("g", "j", "x")
            text = await screen.until(
                "The cursor is on worker on 49 nodes.",
                "All of train: 50 nodes, 1 of them with problems: n037.",
                "Running now: 49 of 50 instances.",
                "Not running: worker@n037.",
                "stop only 49 instances",
                "stop all of train (50 instances)",
            )
            assert "n001" not in text
            await screen.type("down", "enter")
            await screen.until("Stop: 49 of 49 stopped")
            others = tuple(i.name for i in stage.job.instances if i.node != "n037")
            assert stage.began == [("stop", others)]
            await screen.type("escape", "a")
            await screen.until("put the cursor on one of them")

    asyncio.run(asyncio.wait_for(body(), 60))


def test_the_third_pane_counts_what_is_folded() -> None:
    async def body() -> None:
        stage = stage_of(NUMBER)
        async with opened((200, 50), stage, ready=f"{NUMBER}/{NUMBER} ranks") as screen:
            await screen.until("Details · worker on 50 nodes", "50 ● ok", "50 ● ready")

    asyncio.run(asyncio.wait_for(body(), 60))


def test_a_fleet_that_fits_is_not_folded() -> None:
    async def body() -> None:
        async with opened((130, 42), stage_of(FROM), ready=f"{FROM}/{FROM} ranks") as screen:
            assert "▸" not in await screen.until("n001")

    asyncio.run(asyncio.wait_for(body(), 60))


def test_where_not_all_rows_fit_what_is_worst_is_in_view_and_the_cursor_stays() -> None:
    async def body() -> None:
        stage = stage_of(FROM)
        async with opened((80, 24), stage, ready=f"{FROM}/{FROM} ranks") as screen:
            await screen.until("n001", gone="n030")
            await screen.type("G")
            await screen.until("x stop worker@n030", gone="n001")
            stage.states["worker@n029"] = "failed"
            stage.world.hosts["n028"].powered = False
            stage.change()
            await screen.until("Nodes · 2 not well", "n030")
            assert "x stop worker@n030" in screen.text
            await screen.type("g")
            text = await screen.until("n028", "n029", "n001", gone="n030")
            table = text[text.index("Nodes · 2 not well") : text.index("Logs")]
            assert re.findall("n0[0-9]+", table)[:3] == ["n028", "n029", "n001"]

    asyncio.run(asyncio.wait_for(body(), 60))


def test_nodes_that_answer_one_after_the_other_keep_their_places_and_the_worst_is_in_view() -> None:
    async def body() -> None:
        stage = stage_of(FROM)
        stage.states["worker@n028"] = "failed"
        names = list(stage.fleet.nodes)
        stage.unasked.update(names)
        async with opened((80, 24), stage, ready="asking") as screen:
            for number, name in enumerate(names, 1):
                stage.unasked.discard(name)
                if number in (1, 7, 20, 27, FROM):
                    stage.change()
                    ready = number if number < 28 else number - 1
                    text = await screen.until(f"{ready}/{FROM} ranks")
                    assert number == FROM or "unknown +" not in text
                    table = text[text.index("Nodes") : text.index("Logs")]
                    assert re.findall("n0[0-9]+", table)[:2] == (
                        ["n028", "n001"] if number == FROM else ["n001", "n002"]
                    )

    asyncio.run(asyncio.wait_for(body(), 60))


def test_a_node_that_is_only_counted_is_found_in_the_topology() -> None:
    async def body() -> None:
        stage = stage_of(NUMBER)
        async with opened((130, 42), stage, ready=f"{NUMBER}/{NUMBER} ranks") as screen:
            await screen.until("● 50", "▸ 50 nodes", gone="n033")
            await screen.type("shift+tab", "slash", "n", "0", "3", "3", "enter")
            await screen.until("● n033", "x stop worker@n033")

    asyncio.run(asyncio.wait_for(body(), 60))


def test_of_very_many_that_are_lost_the_topology_names_some() -> None:
    status = World(fleet_of(60)).check().status
    lost = {n: replace(node, state="unreachable") for n, node in status.nodes.items()}
    gone = replace(status, nodes={n: replace(node, reachability=()) for n, node in lost.items()})
    drawing = draw(fleet_of(60), None, gone, 50, 12)
    assert len(drawing.places) == MOST_NAMED
    text = "\n".join("".join(cell.text for cell in row) for row in drawing.rows)
    assert f"and {60 - MOST_NAMED} more" in text
