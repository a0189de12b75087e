"""How the room is divided, and that whoever looks sees the problem and whether the job moves."""

from __future__ import annotations

import asyncio
import re

import pytest
from msgspec.structs import replace
from rich.cells import cell_len

from fleetctl.model.node_status import SystemStatus
from fleetctl.tui.app import FleetApp
from fleetctl.tui.kept import Kept
from fleetctl.tui.layouts import room
from fleetctl.tui.widgets import node_columns
from fleetctl.tui.widgets.node_columns import Names
from tests.health.test_unexplained import CLUSTER
from tests.health.world import World
from tests.tui.fleets import moving, stage_of
from tests.tui.stage import Screen, Stage, opened


@pytest.mark.parametrize("layout", ["1", "2", "3"])
@pytest.mark.parametrize("width", [40, 80, 99, 100, 130, 179, 180, 300])
@pytest.mark.parametrize("height", [12, 24, 42, 80])
def test_every_panel_has_room(layout: str, width: int, height: int) -> None:
    known = room(layout, width, height, (75, 120), 20, 9)
    left = width - known.topology - (known.details if width >= 100 else 0)
    assert left >= 40
    assert (known.topology > 0) == (layout == "1" and width >= 100)
    assert (known.details > 0) == (layout == "3" or (layout == "1" and width >= 180))
    assert known.upper <= max(11, height // 2)


@pytest.mark.parametrize("length", [3, 12, 27, 60])
@pytest.mark.parametrize("width", [40, 60, 80, 130, 300])
def test_the_state_is_never_dropped(width: int, length: int) -> None:
    names = Names(("n" * length,), ("r" * length,), steps=True)
    found = node_columns.columns(names, width)
    assert [c.head for c in found[:5]] == ["ssh", "data", "node", "role", "state"]
    assert cell_len(node_columns.head_line(found)) <= width - 2
    assert next(c.width for c in found if c.head == "state") == 14


def test_wide_panels_have_all_columns_and_longer_bars() -> None:
    names = Names(("mini1",), ("worker",))
    wide = node_columns.columns(names, 170)
    assert [c.head for c in wide[5:]] == [
        "rtt", "load", "mem", "cpu", "in/out B/s", "temp", "since", "disk", "restarts", "pid",
    ]  # fmt: skip
    assert next(c.width for c in wide if c.head == "rtt") == 62


def test_from_180_columns_on_there_are_more_columns_beside_details_and_topology() -> None:
    names = Names(("mini1",), ("server", "worker"), steps=True)
    wants = node_columns.wanted(names), node_columns.wanted_by_all(names)
    before = 0
    for width in (179, 180, 200, 230, 260):
        known = room("1", width, 50, wants, 20, 8)
        shown = node_columns.columns(names, width - known.details - known.topology)
        assert "state" in [c.head for c in shown]
        if width >= 180:
            assert (known.details > 0, known.topology >= 40) == (True, True)
            assert len(shown) > before
        before = len(shown)
    assert before == 5 + 11, "all of them"


def test_how_busy_a_node_is_stands_there_and_unknown_is_no_number() -> None:
    busy = SystemStatus(cpu_percent=99.6, net_in_bytes_per_s=9_961_472, net_out_bytes_per_s=317_440)
    idle = SystemStatus(cpu_percent=0.0, net_in_bytes_per_s=0, net_out_bytes_per_s=0)
    half = SystemStatus(net_in_bytes_per_s=5)

    def cells(*systems: SystemStatus) -> tuple[str, str]:
        node = World(CLUSTER).check().status.nodes["mini1"]
        nodes = [replace(node, system=system) for system in systems]
        if len(nodes) == 1:
            found = dict(node_columns.of_system(nodes[0]))
        else:
            found = dict(node_columns.of_many(nodes, [], []))
        return found["cpu"].plain, found["in/out B/s"].plain

    assert cells(busy) == ("100%", "9.5M/310K")
    assert cells(idle) == ("0%", "0B/0B")
    assert cells(half) == ("-", "-")
    assert cells(idle, half, busy) == ("≤100%", "≤9.5M/310K")


def test_the_layouts_by_key_are_kept() -> None:
    written: list[Kept] = []

    async def body() -> None:
        stage = Stage()
        app = FleetApp(stage, kept=Kept(), write=written.append)
        async with app.run_test(size=(130, 40)) as pilot:
            screen = Screen(app, pilot, stage)
            await screen.until("5/5 ready", "Topology", "Nodes", gone="Details")
            await screen.type("2")
            await screen.until("Nodes", "Logs", gone="Topology")
            await screen.type("3")
            await screen.until("Details · server@mini1", "Logs", gone="Topology")
            await screen.type("1")
            await screen.until("Topology", gone="Details")
            await screen.type("3")
            await pilot.resize_terminal(80, 24)
            await screen.until("Details · server@mini1", gone="Logs")
        assert [kept.layout for kept in written] == ["2", "3", "", "3"]
        app = FleetApp(stage, kept=Kept(layout="2"))
        async with app.run_test(size=(130, 40)) as pilot:
            await Screen(app, pilot, stage).until("5/5 ready", gone="Topology")

    asyncio.run(asyncio.wait_for(body(), 40))


def test_the_third_pane_follows_the_cursor() -> None:
    async def body() -> None:
        stage = Stage()
        stage.states["worker@pi4"] = "failed"
        async with opened((220, 50), stage, ready="4/5 ready") as screen:
            await screen.until("Details · server@mini1", "listens on 10.10.0.1:65432")
            stage.write("worker@mini2", "step 7 of mini2")
            await screen.until("worker@mini2 | step 7")
            await screen.type("down")
            await screen.until("Details · worker@mini2", "Its last lines")
            await screen.type("shift+tab", "]")
            await screen.until("Details · mini2 on fabric", "What answers it there")
            await screen.type("shift+tab", "shift+tab")
            await screen.until("Details · pi4: service-failed", "shown by")

    asyncio.run(asyncio.wait_for(body(), 40))


def test_details_below_leave_the_problems_their_rows() -> None:
    async def body() -> None:
        stage = Stage()
        stage.states["worker@pi4"] = "failed"
        async with opened((80, 24), stage, ready="4/5 ready") as screen:
            await screen.type("3")
            await screen.until("✖ service-failed  worker@pi4", "Details · ", "● ready", gone="Logs")

    asyncio.run(asyncio.wait_for(body(), 40))


def test_at_80_columns_guide_and_action_share_one_line() -> None:
    async def body() -> None:
        async with opened((80, 24)) as screen:
            await screen.type("x", "up", "enter")
            await screen.until("Stop: 5 of 5 stopped")
            await screen.type("escape")
            text = await screen.until("stop: 5 of 5 stopped", "Nodes")
            assert text.splitlines()[1].startswith(" ● stop")
            assert text.splitlines()[2].startswith("╭─ Nodes")

    asyncio.run(asyncio.wait_for(body(), 40))


def test_in_few_rows_all_that_is_wrong_is_seen_at_once() -> None:
    """The last of 30 nodes is silent, others are lost, cut off and failed."""
    stage = stage_of(30, long=True)
    names = [i.name for i in stage.job.instances]
    short = "rack-two-shelf-{:03}-mac-mini"

    async def body() -> None:
        async with opened((80, 24), stage, ready="● moving") as screen:
            stage.steps[names[-1]] = moving(7500, quiet_s=45)
            stage.states[names[4]] = "failed"
            stage.world.hosts[short.format(2)].carrier["data"] = False
            stage.world.hosts[short.format(4)].powered = False
            stage.change()
            text = await screen.until("Problems · 4", "▲ cut off", "▲ silent 45 s", "? unknown")
            lines = text.splitlines()
            assert [line[11:38] for line in lines[3:7]] == [short.format(n) for n in (4, 5, 2, 30)]
            found = lines[-6:-2]
            assert [line[1] for line in found] == ["✖", "✖", "✖", "▲"]
            assert all("…" in line for line in found)  # each is a line that ends
            assert found[2].endswith("[s] start [l] log │") and found[3].endswith("[l] log │")
            await screen.type("tab", "tab", "z")
            await screen.until("its other end is off; so", "code 137 (signal 9)", gone="Nodes")

    asyncio.run(asyncio.wait_for(body(), 60))


def test_a_terminal_that_is_too_small_says_so_and_keeps_the_first_line_and_the_cursor() -> None:
    async def body() -> None:
        async with opened((80, 24)) as screen:
            await screen.type("j")
            await screen.until("x stop worker@mini2")
            await screen.pilot.resize_terminal(39, 11)
            text = await screen.until("The rest needs 40x12; this is 39x11.", gone="mini3")
            assert text.splitlines()[0].startswith(" edp ● ready")
            await screen.pilot.resize_terminal(80, 24)
            await screen.until("mini3", "x stop worker@mini2", gone="The rest needs")
            await screen.type("j")
            await screen.until("x stop worker@mini3")

    asyncio.run(asyncio.wait_for(body(), 40))


@pytest.mark.long
@pytest.mark.parametrize("size", [(80, 24), (130, 42), (300, 80)])
@pytest.mark.parametrize("number", [1, 6, 30, 200])
@pytest.mark.parametrize("long", [False, True])
def test_whoever_looks_sees_the_problem_and_whether_the_job_moves(
    size: tuple[int, int], number: int, long: bool
) -> None:
    stage = stage_of(number, long=long)
    bad = stage.job.instances[-1]

    async def body() -> None:
        app = FleetApp(stage)
        async with app.run_test(size=size) as pilot:
            screen = Screen(app, pilot, stage)
            await screen.until("● moving", "step 7 739", timeout_s=60)
            stage.steps[bad.name] = moving(7500, quiet_s=45)
            stage.change()
            first = "stalled" if number == 1 else "▲ degraded"
            text = await screen.until(first, "45 s", timeout_s=60)
            line = text.splitlines()[0]
            if number > 1:
                told = re.search(r"(\d{3})(…[-\w]*|-mac-mini)? silent 45 s", line)
                assert told
                assert int(told[1]) == number
            else:
                assert "no step for 45 s" in line
            assert "● ready" in text or "▲ silent 45 s" in text or number == 1
            assert all(cell_len(shown) <= size[0] for shown in text.splitlines())

    asyncio.run(asyncio.wait_for(body(), 120))
