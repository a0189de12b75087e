"""A dashboard that is closed while it is opened, as when a browser goes on to another page."""

from __future__ import annotations

import asyncio

import pytest
from textual.messages import ExitApp

from fleetctl.tui import app as tui_app
from fleetctl.tui.app import FleetApp
from tests.tui.stage import Stage


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """The mistakes that are told."""
    found: list[BaseException] = []

    def tell(error: BaseException) -> str:
        found.append(error)
        return ""

    monkeypatch.setattr(tui_app, "told", tell)
    return found


@pytest.mark.parametrize("from_outside", [False, True])
def test_that_it_was_not_filled_is_no_mistake(
    from_outside: bool, told: list[BaseException]
) -> None:
    """At each of its first steps; some of them are before the dashboard's panels are there."""

    async def left_after(steps: int) -> FleetApp:
        app = FleetApp(Stage())

        async def leave() -> None:
            for _ in range(steps):
                await asyncio.sleep(0)
            if from_outside:
                app.post_message(ExitApp())  # as Textual's web driver does
            else:
                app.leave()

        async with asyncio.timeout(60):
            await asyncio.gather(app.run_async(headless=True, size=(80, 24)), leave())
        return app

    for steps in range(1, 6):
        app = asyncio.run(left_after(steps))
        assert (told, app.return_code) == ([], None if from_outside else 0)


def test_a_mistake_is_told_all_the_same(
    monkeypatch: pytest.MonkeyPatch, told: list[BaseException]
) -> None:
    """What a widget lacks while nothing is closed is one."""

    async def body() -> int | None:
        app = FleetApp(Stage())
        monkeypatch.setattr(app, "_begin", lambda: app.screen.query_one("#nothing"))
        async with asyncio.timeout(60):
            await app.run_async(headless=True, size=(80, 24))
        return app.return_code

    assert asyncio.run(body()) == 1
    assert [type(error).__name__ for error in told] == ["NoMatches"]
