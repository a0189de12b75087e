"""What one process sees is kept, by one at a time; nothing is lost while it cannot be written."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fleetctl.history import file as history_file
from fleetctl.history.store import HistoryError, Store
from fleetctl.history.writer_lock import WriterLock
from fleetctl.model.actions import Ending, Note, Told, action_key
from fleetctl.model.events import Actor, Event
from fleetctl.recording import Recorder
from fleetctl.recording import keeping as keeping_module
from fleetctl.recording.keeping import Keeping
from fleetctl.recording.recorder import events_to_go_on_with
from fleetctl.undertakings import Snapshot
from tests.tui.stage import FLEET, Stage

WORKER = "worker@pi4"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(keeping_module, "LOOK_S", 0.05)
    monkeypatch.setattr(keeping_module, "SOON_S", 0.05)
    monkeypatch.setattr(history_file, "BUSY_S", 0.1)
    folder = tmp_path / ".local/state/fleetctl" / FLEET.name
    folder.mkdir(parents=True)
    return folder


class Front:
    """A front end: it watches the stage, and keeps what it sees."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.events: dict[str, Event] = {}
        self.said: list[str] = []
        self.keeping = Keeping(stage, self._heard, self.said.append)

    def _heard(self, events: Sequence[Event]) -> None:
        self.events |= {event.key: event for event in events}

    def texts(self) -> list[str]:
        return [event.text for event in self.events.values()]

    async def look(self) -> None:
        """What a dashboard does when a node has news."""
        self.keeping.take(await snapshot(self.stage))

    async def becomes(self, state: str) -> None:
        self.stage.states[WORKER] = state
        await self.look()

    @contextmanager
    def running(self) -> Iterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.keeping.run())
        try:
            yield task
        finally:
            task.cancel()

    async def end(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def snapshot(stage: Stage) -> Snapshot:
    return Snapshot(await stage.check(), {})


async def until(condition: Callable[[], object], what: str) -> None:
    deadline = asyncio.get_running_loop().time() + 30
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, what
        await asyncio.sleep(0.01)


def kept() -> list[str]:
    store = Store(FLEET.name)
    try:
        return [event.text for event in store.events(datetime.now(UTC) - timedelta(days=1))]
    finally:
        store.close()


def test_one_writes_and_another_takes_over() -> None:
    async def play() -> None:
        first, second = Front(Stage()), Front(Stage())
        with first.running() as one, second.running() as two:
            await asyncio.gather(first.keeping.begun(), second.keeping.begun())
            if second.keeping.writes:
                first, second, one, two = second, first, two, one
            await asyncio.gather(first.look(), second.look())
            await asyncio.gather(first.becomes("failed"), second.becomes("failed"))
            await until(lambda: second.events, "the other one shows what is kept")
            assert not second.keeping.writes
            assert second.events == first.events
            await first.end(one)
            await until(lambda: second.keeping.writes, "the other one takes over")
            await second.becomes("ready")
            await until(lambda: any(e.end for e in second.events.values()), "it is over")
            assert second.events.keys() == first.events.keys()  # it goes on with what is open
            await second.end(two)
        assert len(kept()) == 1

    asyncio.run(play())


def test_a_lock_that_is_had_only_after_the_end_is_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taking, go_on = threading.Event(), threading.Event()
    front = Front(Stage())
    take = front.keeping._lock.take

    def slow() -> bool:
        taking.set()
        assert go_on.wait(30)
        return take()

    monkeypatch.setattr(front.keeping._lock, "take", slow)

    async def play() -> None:
        task = asyncio.create_task(front.keeping.run())
        await until(taking.is_set, "it is taken")
        task.cancel()
        asyncio.get_running_loop().call_later(0.1, go_on.set)
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(play())  # its threads have ended
    assert WriterLock(FLEET.name).take()


def test_what_is_kept_is_shown_by_the_next_one() -> None:
    async def play() -> None:
        before = Front(Stage())
        with before.running() as task:
            await before.keeping.begun()
            await before.look()
            await before.becomes("failed")
            await until(lambda: before.events, "it is told")
            await before.end(task)
        after = Front(Stage())
        with after.running() as task:
            await until(lambda: after.events == before.events, "it is shown")
            await after.end(task)

    asyncio.run(play())


def test_what_the_observer_itself_says_is_handed_over_and_kept() -> None:
    async def play() -> None:
        front = Front(Stage())
        with front.running() as task:
            await front.keeping.begun()
            front.keeping.note(Event(datetime.now(UTC), "warning", "not sent", key="alerts 1"))
            assert front.texts() == ["not sent"]
            await until(lambda: "not sent" in kept(), "it is kept")
            await front.end(task)

    asyncio.run(play())


def test_a_history_that_cannot_be_made_is_told_once_and_nothing_is_lost(home: Path) -> None:
    (home / "history.sqlite3").mkdir()

    async def play() -> None:
        front = Front(Stage())
        with front.running() as task:
            await until(lambda: front.said, "it is told")
            await front.look()
            await front.becomes("failed")
            assert front.texts()[0].startswith(f"{WORKER} is failed")
            (home / "history.sqlite3").rmdir()
            await until(kept_file, "it is kept")
            await front.end(task)
        assert kept() == front.texts()
        assert len(front.said) == 1
        assert "cannot be opened" in front.said[0]

    def kept_file() -> bool:
        return (home / "history.sqlite3").is_file() and bool(kept())

    asyncio.run(play())


def test_a_history_that_is_kept_again_is_told_and_so_is_the_next_trouble(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping_module, "WELL_AFTER_S", 0.2)
    path = home / "history.sqlite3"
    path.mkdir()

    def remove_history() -> None:
        for file in home.glob("history.sqlite3*"):
            file.unlink()

    async def play() -> None:
        front = Front(Stage())
        with front.running() as task:
            await until(lambda: front.said, "it is told")
            path.rmdir()
            await until(lambda: "What happens is kept again." in front.said, "it is kept again")
            remove_history()
            path.mkdir()
            await front.becomes("failed")
            await until(lambda: len(front.said) == 3, "it is told once more")
            assert "What happens is not kept" in front.said[2]
            await front.end(task)

    asyncio.run(play())


def test_a_recorder_brings_again_what_could_not_be_written(home: Path) -> None:
    stage = Stage()
    recorder = Recorder(Store(FLEET.name))
    other = sqlite3.connect(home / "history.sqlite3", isolation_level=None)
    recorder.take(asyncio.run(snapshot(stage)))
    stage.states[WORKER] = "failed"
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(HistoryError):
        recorder.take(asyncio.run(snapshot(stage)))
    other.execute("ROLLBACK")
    assert kept() == []
    recorder.take(asyncio.run(snapshot(stage)))
    [text] = kept()
    assert text.startswith(f"{WORKER} is failed")


def test_what_one_node_told_of_an_action_is_not_lost_by_what_another_tells() -> None:
    now = datetime.now(UTC)
    begun = Note("a1", now, "stop", Actor("ann", "laptop", "fleetctl stop"), "job", ("w@a",))
    ended = Note("a1", now, "stop", begun.by, "job", ("w@a",), Ending(now, "ok", "1 of 1 stopped"))
    first = Recorder(Store(FLEET.name))
    first.heard({"a": Told((begun, ended))})
    first.write()
    second = Recorder(Store(FLEET.name))  # another process, which cannot ask node a
    second.heard({"b": Told((begun,))})
    second.write()
    [event] = Store(FLEET.name).events(now - timedelta(minutes=1))
    assert (event.key, event.state) == (action_key("a1"), "ok")
    assert {"a", "b"} <= set(event.affects)
    third = Recorder(Store(FLEET.name))  # after a restart, when only b has something new
    third.go_on_with(events_to_go_on_with(Store(FLEET.name)))
    assert third.heard({"a": Told((begun, ended)), "b": Told((begun,))}) == ()
    assert event.text == "stop, w@a: 1 of 1 stopped"


def test_what_a_part_of_the_nodes_tells_of_an_action_is_of_all_of_them() -> None:
    now = datetime.now(UTC)
    actor = Actor("ann", "laptop", "fleetctl start")
    ending = Ending(now, "ok", "2 of 2 ready")
    notes = {
        node: (Note("a1", now, "start", actor, "job", (f"w@{node}",), ending),
               Note("a2", now, "exec", actor))
        for node in ("a", "b")
    }  # fmt: skip
    recorder = Recorder(Store(FLEET.name))
    recorder.heard({node: Told(told) for node, told in notes.items()})
    assert recorder.heard({"b": Told(notes["b"])}) == ()  # a has noted nothing since then
    recorder.write()
    texts = [event.text for event in Store(FLEET.name).events(now - timedelta(minutes=1))]
    assert sorted(texts) == ["exec, 2 nodes", "start of job, 2 instances: 2 of 2 ready"]
    parts = Recorder()
    parts.heard({"a": Told(notes["a"])})
    [start, execution] = parts.heard({"b": Told(notes["b"])})
    assert (start.text, start.subject, start.node) == (
        "start of job, 2 instances: 2 of 2 ready", "job", None,
    )  # fmt: skip
    assert (execution.text, execution.subject, execution.node) == ("exec, 2 nodes", "", None)
