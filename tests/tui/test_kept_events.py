"""The dashboard shows what is kept, and keeps what it sees."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fleetctl.history.store import Store
from fleetctl.history.writer_lock import WriterLock
from fleetctl.model.events import Actor, Event
from tests.tui.stage import FLEET, Stage, opened


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".local/state/fleetctl" / FLEET.name


def test_it_shows_the_day_before_it_was_opened_and_what_another_one_saw() -> None:
    night = datetime.now(UTC) - timedelta(hours=9)
    ann = Actor("ann", "laptop", "fleetctl stop")
    stopped = Event(
        night, "ok", "stop, worker@pi4: 1 of 1 stopped", "action", by=ann, key="action 1"
    )
    lost = Event(
        night,
        "unreachable",
        "mini3 cannot be reached",
        "node",
        "mini3",
        key="lost",
        until=night + timedelta(seconds=130),
        end="reached again",
    )
    store = Store(FLEET.name)
    store.add_events([stopped, lost])
    store.close()

    async def play() -> None:
        stage = Stage()
        async with opened(stage=stage, keep_events=True) as screen:
            await screen.type("e")
            await screen.until("reached again after 2m10s", "ann@laptop: fleetctl stop")
            stage.states["worker@pi4"] = "failed"
            stage.change()
            await screen.until("worker@pi4 is failed")
        free = WriterLock(FLEET.name)
        while not free.take():  # noqa: ASYNC110 - it lets go of it once it is closed
            await asyncio.sleep(0.01)
        free.release()
        async with opened(stage=stage, ready="4/5 ready", keep_events=True) as screen:
            await screen.type("e")
            await screen.until("worker@pi4 is failed", "reached again after 2m10s")

    asyncio.run(asyncio.wait_for(play(), 60))


def test_a_history_that_cannot_be_kept_is_told_and_the_dashboard_goes_on(home: Path) -> None:
    (home / "history.sqlite3").mkdir(parents=True)

    async def play() -> None:
        stage = Stage()
        async with opened(stage=stage, keep_events=True) as screen:
            await screen.until("What happens is not kept")
            stage.states["worker@pi4"] = "failed"
            stage.change()
            await screen.until("4/5 ready")
            await screen.type("e")
            await screen.until("worker@pi4 is failed")

    asyncio.run(asyncio.wait_for(play(), 60))
