"""The rows of every screen that has many can be filtered, as panels can be."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from textual.widgets import Static

from fleetctl.tui.widgets.rows import Rows
from tests.tui.fleets import stage_of
from tests.tui.stage import Screen, Stage, opened


def played(
    act: Callable[[Screen], Awaitable[None]],
    stage: Stage | None = None,
    ready: str = "5/5 ready",
) -> None:
    async def body() -> None:
        async with opened(stage=stage, ready=ready) as screen:
            await act(screen)

    asyncio.run(asyncio.wait_for(body(), 120))


def test_links_and_ranks_are_filtered_where_they_are_shown() -> None:
    async def act(screen: Screen) -> None:
        await screen.type("b")
        await screen.until("over time", "mini1", "pi4")
        await screen.type("slash", *"pi4", "enter")
        text = await screen.until("Links · ", "with 'pi4'")
        rows = [line for line in text.splitlines() if "→" in line]
        assert rows and all("pi4" in row for row in rows)
        await screen.type("escape")
        await screen.until("Links · ", "mini1 → mini2", gone="with 'pi4'")
        await screen.type("escape", "T")
        await screen.until("worker@mini2", "worker@pi4", "Training · edp")
        await screen.type("slash", *"PI")
        await screen.until("worker@pi4", "Training · edp · with 'PI'", gone="worker@mini2")
        await screen.type(*"x")
        await screen.until("nothing here has 'PIx'; esc shows all")
        await screen.type("escape")
        await screen.until("worker@mini2", gone="with 'PI")

    played(act)


def test_links_that_are_sought_stand_below_their_heads() -> None:
    """Also those that are drawn anew while longer ones are not shown."""

    async def act(screen: Screen) -> None:
        await screen.type("b")
        await screen.until("over time", "mini1", "pi4")
        await screen.type("slash", *"edge50", "enter")
        await screen.until("Links · ", "with 'edge50'")
        await screen.pilot.resize_terminal(130, 40)
        await screen.until("link" + " " * 26 + "last")  # as wide as pi4 → mini3 → mini1 (fabric)
        page = screen.app.screen
        head = str(page.query_one("#head", Static).render())
        rows = page.query_one(Rows).options
        assert rows
        assert all(str(row.prompt)[head.index("last") :].startswith("0.") for row in rows)

    played(act)


def test_events_are_filtered() -> None:
    async def act(screen: Screen) -> None:
        screen.stage.world.hosts["pi5"].powered = False
        screen.stage.change()
        await screen.until("ssh-timeout")
        screen.stage.states["worker@mini2"] = "failed"
        screen.stage.change()
        await screen.until("service-failed")
        await screen.type("e")
        await screen.until("events, newest first", "worker@mini2")
        await screen.until("worker@mini2 is failed", "pi5 cannot")
        await screen.type("slash", *"2 is f", "enter")
        await screen.until("newest first · with '2 is f'", "worker@mini2 is failed")
        assert screen.app.screen.query_one(Rows).option_count == 1
        await screen.type("left")  # goes to the last event before, of those that are shown
        await screen.type("q")
        await screen.until("newest first ─", gone="2 is f'")

    played(act)


def test_jobs_are_filtered() -> None:
    async def act(screen: Screen) -> None:
        await screen.type("J")
        await screen.until("edp is shown now", "ipad-inference", "/ filter")
        await screen.type("slash", *"ipad")
        await screen.until("ipad-inference", gone="● 5/5 ready  ")
        await screen.type("enter", "enter")
        await screen.until("rank0", "ipad-inference")
        await screen.type("x")
        await screen.until("Stop ipad-inference", gone="/ filter")

    played(act)


def test_a_problem_is_found_by_a_name_that_its_line_only_counts() -> None:
    async def act(screen: Screen) -> None:
        for instance in screen.stage.job.instances:
            screen.stage.states[instance.name] = "failed"
        screen.stage.change()
        await screen.until("service-failed on 12 nodes ▸", "and 6 more")
        await screen.type("tab", "tab", "slash", *"n012")
        await screen.until("Problems · 12 · with 'n012'", "service-failed on 12 nodes ▸")
        await screen.type("9")
        await screen.until("no problem has 'n0129' in its line")

    played(act, stage_of(12), "12/12 ranks")
