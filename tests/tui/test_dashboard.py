"""What the dashboard shows of a fleet in every state."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from msgspec.structs import replace
from textual.strip import Strip

from fleetctl.model.liveness import Liveness
from fleetctl.tui.app import FleetApp
from tests.health.world import reached_directly_alone
from tests.tui.stage import JOB, Screen, Stage, played

PAGE = (Path(__file__).parents[2] / "docs" / "dashboard.md").read_text("utf-8")


def table(text: str) -> list[str]:
    """The lines of the nodes' table, without its head."""
    panel = [part.strip("│ ") for line in text.splitlines() for part in line.split("││")]
    return [line for line in panel if re.match(r"[●✖?□▲]( | \d)* +[●✖?-]", line)]


def row(text: str, *parts: str) -> str:
    """The one line of the table that holds all ``parts``."""
    found = [line for line in table(text) if all(part in line for part in parts)]
    assert len(found) == 1, (parts, found, text)
    return found[0]


def test_which_node_serves_whether_it_runs_and_what_is_wrong() -> None:
    async def act(screen: Screen) -> None:
        text = await screen.until("nothing is wrong")
        assert "smolcluster · edp" in text.splitlines()[0]
        assert "edp ● ready · 5/5 ready" in text.splitlines()[0]
        assert "6/6 nodes · no problem" in text.splitlines()[0]
        assert "● ready" in row(text, "mini1", "server")
        assert "0.1ms" in row(text, "pi4", "worker")
        assert "□ external" in row(text, "ipad")
        assert "s start" in text.splitlines()[-1]

    played(act)


def test_before_any_node_has_answered_nothing_is_claimed() -> None:
    async def body() -> None:
        stage = Stage()
        app = FleetApp(stage)
        app._begin = lambda: None  # type: ignore[method-assign]  # nothing is asked yet
        async with app.run_test(size=(120, 40)) as pilot:
            text = Screen(app, pilot, stage).text
            assert "asking …" in text.splitlines()[0]
            assert "nothing is known yet" in text
            assert "mini1" in text
            assert "server asking …" in text
            assert not table(text)

    asyncio.run(asyncio.wait_for(body(), 20))


def test_nodes_that_were_not_asked_yet_are_not_counted_as_well() -> None:
    async def body() -> None:
        stage = Stage()
        stage.unasked = {"pi4", "pi5"}
        async with FleetApp(stage).run_test(size=(120, 40)) as pilot:
            assert isinstance(pilot.app, FleetApp)
            screen = Screen(pilot.app, pilot, stage)
            text = await screen.until("4/6 nodes, 2 not asked yet", "3/5 ready", "asking …")
            assert "no problem" not in text
            assert "nothing is wrong" not in text
            assert row(text, "pi4", "worker").split()[0] == "?"
            await screen.type("s")
            await screen.until("Running now: server@mini1", "Not known yet: worker@pi5, worker@pi4")
            stage.unasked = set()
            stage.change()
            await screen.until("worker@pi4.", gone="Not known yet")  # the open question follows
            await screen.type("escape")
            await screen.until("edp ● ready · 5/5 ready", "6/6 nodes · no problem")

    asyncio.run(asyncio.wait_for(body(), 30))


def test_wifi_off_and_a_healthy_fabric_is_one_bad_mark_and_not_two() -> None:
    async def act(screen: Screen) -> None:
        world = screen.stage.world
        world.fleet = reached_directly_alone(world.fleet)
        screen.stage.world.hosts["mini2"].enabled["wifi"] = False
        screen.stage.change()
        text = await screen.until("5/6 nodes", "1 problem", "lost")
        states = row(text, "mini2", "worker")
        assert states.split()[:2] == ["✖", "●"]  # ssh, data
        assert "? unknown" in states
        screen.stage.world.hosts["mini2"].enabled["wifi"] = True
        screen.stage.change()
        text = await screen.until("6/6 nodes", "nothing is wrong")
        assert row(text, "mini2", "worker").split()[:2] == ["●", "●"]

    played(act)


def test_wifi_off_with_a_second_way_is_asked_through_a_neighbour() -> None:
    async def act(screen: Screen) -> None:
        screen.stage.world.hosts["mini2"].enabled["wifi"] = False
        screen.stage.change()
        text = await screen.until("6/6 nodes", "1 problem", "interface-down")
        assert row(text, "mini2", "worker").split()[:2] == ["▲", "●"]  # ssh, data

    played(act)


def test_a_cable_that_is_out_counts_what_it_breaks() -> None:
    async def act(screen: Screen) -> None:
        screen.stage.world.hosts["pi4"].carrier["edge51"] = False
        screen.stage.change()
        text = await screen.until("1 problem", "interface-down")
        states = row(text, "pi4", "worker")
        assert states.split()[:2] == ["●", "✖"]
        assert row(text, "pi5", "worker").split()[:2] == ["●", "●"]

    played(act)


def test_a_worker_that_failed_shows_with_its_exit_code() -> None:
    async def act(screen: Screen) -> None:
        screen.stage.states["worker@pi4"] = "failed"
        screen.stage.change()
        text = await screen.until("4/5 ready", "service-failed")
        assert "✖ failed" in row(text, "pi4", "worker")
        assert "137" in text

    played(act)


def test_a_worker_that_does_not_do_its_work_is_shown_everywhere() -> None:
    worker = JOB.services["worker"]
    asked = [replace(i, liveness=Liveness("connect", "x:1")) for i in worker.instances]
    services = {**JOB.services, "worker": replace(worker, instances=tuple(asked))}

    async def body() -> None:
        stage = Stage(job=replace(JOB, services=services))
        app = FleetApp(stage)
        async with app.run_test(size=(140, 40)) as pilot:
            screen = Screen(app, pilot, stage)
            await screen.until("5/5 ready")
            stage.states["worker@pi4"] = "unhealthy"
            stage.change()
            text = await screen.until("4/5 ready", "service-unhealthy", "worker@pi4 is unhealthy")
            assert "▲ unhealthy" in row(text, "pi4", "worker")
            assert "worker ▲" in text  # in the topology
            assert "x:1 refused the connection three times" in text
            await screen.type("e")
            await screen.until("worker@pi4 is unhealthy: x:1 refused the connection")
            await screen.type("escape", "n", *"unhealthy")
            await screen.until("1 of 7")

    asyncio.run(asyncio.wait_for(body(), 30))


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (200, 60), (400, 100), (40, 12)])
def test_it_fits_every_terminal(size: tuple[int, int]) -> None:
    async def body() -> None:
        stage = Stage()
        app = FleetApp(stage)
        async with app.run_test(size=size) as pilot:
            screen = Screen(app, pilot, stage)
            stage.write("server@mini1", "step 1 loss 4.2")
            await screen.until("mini1", "s start")
            if size >= (80, 24):
                text = await screen.until(
                    "5/5 ready", "step 1 loss 4.2", "nothing is wrong", "q leave"
                )
                assert row(text, "mini1", "server")
            assert all(len(line) <= size[0] for line in screen.lines())

    asyncio.run(asyncio.wait_for(body(), 30))


def test_no_colour_and_light_themes_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def act(screen: Screen) -> None:
        screen.stage.world.hosts["mini3"].forwarding = False
        screen.stage.change()
        before = await screen.until("✖ forwarding-off")
        screen.app.theme = "textual-light"
        await screen.pilot.pause()
        assert [line[:60] for line in before.splitlines()[1:6]] == [
            line[:60] for line in screen.lines()[1:6]
        ]

    played(act)


def test_an_error_of_a_source_is_shown_and_does_not_end_it() -> None:
    async def act(screen: Screen) -> None:
        screen.stage.broken = ZeroDivisionError("whatever")
        screen.stage.change()
        text = await screen.until("Watching the fleet broke", "begun anew in 5 seconds")
        assert "mini1" in text
        await screen.type("question_mark")
        await screen.until("Leaving stops nothing")  # it goes on

    played(act)


def test_filter_and_sort_of_nodes() -> None:
    async def act(screen: Screen) -> None:
        screen.stage.states["worker@pi4"] = "failed"
        screen.stage.change()
        await screen.until("4/5 ready")
        await screen.type("n", *"failed")
        text = await screen.until("1 of 7")
        assert row(text, "pi4", "worker", "✖ failed")
        assert len(table(text)) == 1
        await screen.type("escape")
        await screen.until("mini2   worker")
        await screen.type("S")
        text = await screen.until("Nodes · worst first")
        assert "pi4" in table(text)[0]

    played(act)


def test_two_hundred_nodes() -> None:
    """Only what is visible is drawn, and keys answer."""
    from fleetctl.config import load_text

    nodes = "\n".join(
        f"  n{i:03}: {{ssh: {{host: 10.0.0.{i}}}, addresses: {{lan: 10.0.0.{i}}}}}"
        for i in range(1, 201)
    )
    fleet = load_text(
        "fleet: many\nnetworks:\n  lan: {cidr: 10.0.0.0/24, control: true}\nnodes:\n"
        f"{nodes}\njobs:\n  j: {{services: {{w: {{on: [n001, n200], command: sleep 9}}}}}}\n",
        "nodes.yaml",
    )

    async def body() -> None:
        stage = Stage(fleet, fleet.jobs["j"])
        stage.states = {"w@n001": "stopped", "w@n200": "stopped"}
        app = FleetApp(stage)
        async with app.run_test(size=(120, 40)) as pilot:
            screen = Screen(app, pilot, stage)
            await screen.until("200/200 nodes", timeout_s=20)
            await screen.type("end")
            await screen.until("n200")

    asyncio.run(asyncio.wait_for(body(), 40))


def test_a_panel_that_fills_the_screen_leaves_no_style_out_of_date() -> None:
    """Only those that depend on it are found anew, then and when all have their room again."""

    async def act(screen: Screen) -> None:
        for key, shown in (("t", "Topology"), ("t", "Problems"), ("z", "Nodes"), ("z", "Problems")):
            await screen.type(key)
            await screen.until(shown)
            before = drawn(screen)
            screen.app.screen.update_node_styles(animate=False)
            screen.app.screen.refresh(layout=True)
            await screen.pilot.pause()
            assert drawn(screen) == before, key

    def drawn(screen: Screen) -> list[Strip]:
        return screen.app.screen._compositor.render_strips(screen.app.size)

    played(act)


def test_the_topology_as_large_as_the_screen_and_back() -> None:
    async def act(screen: Screen) -> None:
        assert "Topology" not in screen.text
        await screen.type("t")
        await screen.until("Topology", "fabric 10.10.0.0/24", gone="Nodes")
        await screen.type("t")
        await screen.until("Nodes", gone="Topology")
        await screen.type("z")  # the panel with the cursor
        await screen.until("Nodes", gone="Problems")
        await screen.type("z")
        await screen.until("Problems")

    played(act, size=(70, 24))


def test_every_panel_is_in_its_page_and_can_be_zoomed() -> None:
    async def act(screen: Screen) -> None:
        grown = [w for w in screen.app.screen.query("*") if w.ALLOW_MAXIMIZE]
        panels = [w for w in grown if not set(grown) & set(w.ancestors)]
        names = [type(w).__name__.removesuffix("Panel").removesuffix("s") for w in panels]
        assert names == re.findall(r"^- \*\*(\w+?)s?\*\*:", PAGE, re.M)
        for panel in panels:
            next(w for w in (panel, *panel.query("*")) if w.focusable).focus()
            await screen.type("z")
            assert screen.app.screen.maximized is panel
            await screen.pilot.pause()
            assert panel.size.width > 190, panel
            await screen.type("z")

    played(act, (200, 40))
