"""Pictures of the dashboard at a fixed size and clock, compared byte by byte.

After a change that is meant, run this file with FLEETCTL_PICTURES=renew and look at the new ones.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleetctl.model.progress import Progress
from fleetctl.tui.app import FleetApp
from fleetctl.tui.job_action import JobAction
from fleetctl.tui.messages import LogsArrived, SnapshotTaken
from fleetctl.tui.screens.action import ActionScreen
from fleetctl.undertakings import Snapshot
from tests.health.world import reached_directly_alone
from tests.tui.stage import JOB, Screen, Stage

FOLDER = Path(__file__).parent / "pictures"
NOON = datetime(2026, 1, 31, 12, 0, 41, tzinfo=UTC)


class FrozenClock(datetime):
    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]  # one moment for all
        return NOON


async def _healthy(screen: Screen) -> None:
    pass


async def _cut_off(screen: Screen) -> None:
    world = screen.stage.world
    world.fleet = reached_directly_alone(world.fleet)
    screen.stage.world.hosts["mini2"].enabled["wifi"] = False
    screen.stage.world.hosts["mini3"].forwarding = False
    screen.stage.states["worker@pi5"] = "failed"


async def _many(screen: Screen) -> None:
    screen.stage.world.hosts["pi5"].powered = False
    for name in ("worker@mini2", "worker@mini3", "worker@pi4"):
        screen.stage.states[name] = "failed"


async def _opened(screen: Screen) -> None:
    await screen.type("tab", "tab", "right", "down")
    await screen.until("on 3 nodes ▾")


async def _explained(screen: Screen) -> None:
    await screen.type("tab", "tab", "enter")
    await screen.until("What repairs it")


async def _starting(screen: Screen) -> None:
    app = screen.app
    action = JobAction(1, "start", tuple(i.name for i in JOB.instances))
    for at_s, name, state in (
        (0.3, "server@mini1", "starting"),
        (0.9, "server@mini1", "ready"),
        (1.0, "worker@mini2", "starting"),
        (1.1, "worker@pi4", "starting"),
        (1.6, "worker@mini2", "ready"),
        (1.8, "worker@pi4", "failed"),
    ):
        action = action.with_progress(Progress("start", name, state, None, at_s))  # type: ignore[arg-type]
    app.job_action = action.over()
    app.push_screen(ActionScreen())
    await screen.until("Start: 2 of 5 ready")


Act = Callable[[Screen], Awaitable[None]]


@pytest.mark.parametrize(
    ("name", "size", "state", "act"),
    [
        ("healthy", (120, 32), _healthy, _healthy),
        ("small", (80, 24), _cut_off, _healthy),
        ("grouped", (80, 24), _many, _opened),
        ("explained", (100, 30), _cut_off, _explained),
        ("starting", (80, 24), _healthy, _starting),
    ],
)
def test_a_picture(
    name: str, size: tuple[int, int], state: Act, act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    for module in ("fleetctl.health.assess", "tests.tui.stage"):
        monkeypatch.setattr(f"{module}.datetime", FrozenClock)

    async def body() -> str:
        stage = Stage()
        app = FleetApp(stage)
        app._begin = lambda: None  # type: ignore[method-assign]  # one snapshot, and no more
        async with app.run_test(size=size) as pilot:
            screen = Screen(app, pilot, stage)
            await state(screen)
            async with stage.watch(3600) as watch:
                await watch.all_asked()
                snapshot = watch.snapshot()
            app.post_message(SnapshotTaken(Snapshot(snapshot.checked, snapshot.heard_at)))
            app.post_message(LogsArrived(tuple(stage.lines()), stage.job.name))
            await screen.until("6/6 nodes" if state is _healthy else "5/6 nodes", "step 3")
            await act(screen)
            await pilot.pause()
            return app.export_screenshot(title="fleetctl")

    drawn = asyncio.run(asyncio.wait_for(body(), 30))
    path = FOLDER / f"{name}.svg"
    if os.environ.get("FLEETCTL_PICTURES") == "renew":
        path.write_text(drawn)
    assert drawn == path.read_text(), f"{name} looks different: see {__doc__}"
