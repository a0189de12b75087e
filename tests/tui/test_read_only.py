"""``fleetctl --read-only``: whatever key is pressed, no node is changed."""

from __future__ import annotations

import asyncio

import pytest

from fleetctl.cli import run
from fleetctl.tui.app import FleetApp
from tests.tui.stage import Screen, Stage

SAID = "This dashboard is read-only: it does not"


async def said(screen: Screen, what: str) -> None:
    """Wait for the note of it: on the screen it may be broken into lines."""
    async with asyncio.timeout(8):
        while not any(f"{SAID} {what}" in note.message for note in screen.app._notifications):
            await screen.pilot.pause()


def test_no_key_changes_anything_and_each_says_so() -> None:
    async def body() -> None:
        stage = Stage()
        app = FleetApp(stage, read_only=True)
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            screen = Screen(app, pilot, stage)
            text = await screen.until("5/5 ready")
            assert "stop edp" not in text.splitlines()[-1]
            for key, what in {"s": "start", "x": "stop", "r": "restart", "A": "type"}.items():
                await screen.type(key)
                await said(screen, what)
            stage.world.hosts["mini3"].forwarding = False
            stage.change()
            await screen.until("forwarding-off")
            await screen.type("F")
            await screen.until("y runs")
            await screen.type("y")
            await said(screen, "run commands")
            assert stage.began == []
            app.acting.act("stop", stage.job.instances, everything=True)
            await pilot.pause()
            assert stage.began == []
            await screen.type("escape", "b")
            await screen.until("over time")
            await screen.type("b")
            await said(screen, "load links")

    asyncio.run(asyncio.wait_for(body(), 40))


def test_it_is_for_the_dashboard_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--read-only", "status"]) == 2
    assert "--read-only is about the dashboard" in capsys.readouterr().err
