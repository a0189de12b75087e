"""Help lists every key that works where the cursor was; the palette every action and its target."""

from __future__ import annotations

import asyncio

import pytest

from fleetctl.tui.app import FleetApp
from fleetctl.tui.kept import Kept
from fleetctl.tui.palette import MOST_COUNTED, commands, with_one_more
from fleetctl.tui.screens.dashboard import Dashboard
from fleetctl.tui.screens.help import HelpScreen
from tests.tui.stage import Screen, Stage


@pytest.mark.parametrize(("keys", "own"), [((), "sort"), (("l",), "a minute back")])
def test_help_has_each_key_that_works_there(keys: tuple[str, ...], own: str) -> None:
    async def body() -> None:
        stage = Stage()
        app = FleetApp(stage)
        async with app.run_test(size=(140, 200)) as pilot:
            screen = Screen(app, pilot, stage)
            await screen.until("5/5 ready")
            await screen.type(*keys)
            await pilot.pause()
            works = {
                app.get_key_display(bound.binding)
                for bound in app.screen.active_bindings.values()
                if bound.enabled
            }
            await screen.type("question_mark")
            text = await screen.until("Every key that works where the cursor was", own)
            part = text[text.index("Every key that works") : text.index("Marks")]
            assert {key for key in works if f" {key} " not in part.replace("│", " ")} == set()
            await screen.type("question_mark")
            await pilot.pause()
            assert sum(isinstance(s, HelpScreen) for s in app.screen_stack) == 1

    asyncio.run(asyncio.wait_for(body(), 40))


def test_the_palette_names_targets_and_what_is_used_comes_first() -> None:
    written: list[Kept] = []

    async def body() -> None:
        stage = Stage()
        app = FleetApp(stage, kept=Kept(), write=written.append)
        async with app.run_test(size=(120, 40)) as pilot:
            screen = Screen(app, pilot, stage)
            await screen.until("5/5 ready")
            await screen.type("down")
            await screen.until("x stop worker@mini2")
            found = {command.title: command.help for command in commands(app, app.guide)}
            assert "x · dependents first; asks" in found["Stop: worker@mini2"]
            assert found["Log: worker@mini2"] == "l"
            assert found["Fix: mini2"].startswith("f · ")
            ids = [getattr(binding, "id", "") for binding in Dashboard.BINDINGS]
            assert len(found) > len(ids)
            await screen.type("ctrl+p", *"all logs")
            await screen.until("All logs")
            await screen.type("down", "enter")
            await screen.until("Logs · all")
            assert written[-1].used == {"All logs": 1}
            await screen.type("ctrl+p")
            text = await screen.until("All logs", "Start: ")
            assert text.index("All logs") < text.index("Start: ")

    asyncio.run(asyncio.wait_for(body(), 40))


def test_what_is_used_least_is_no_longer_counted() -> None:
    used = {f"command {number}": 2 + number for number in range(MOST_COUNTED)}
    now = with_one_more(used, "new")
    assert len(now) == MOST_COUNTED
    assert "command 0" not in now and now["new"] == 1 and now["command 1"] == 3
