"""The history's file: what is written is read again, by another process, too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from fleetctl.history.store import Store
from fleetctl.history.writer_lock import WriterLock
from fleetctl.model.events import Event
from fleetctl.model.samples import Point, Sample, Series

RTT = Series("link", "mini1:pi4/fabric", "rtt_ms")
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def test_samples_of_ten_seconds_are_one_point(tmp_path: Path) -> None:
    store = Store("test", tmp_path / "history.sqlite3")
    for at_s, value in ((1000.0, 2.0), (1004.0, 4.0), (1013.0, 9.0)):
        store.add(at_s, [Sample(RTT, value)], watched_from_s=1000.0)
    read = Store("test", tmp_path / "history.sqlite3")
    assert read.points(0.0, 2000.0, kind="link") == {
        RTT: [Point(1000, 10, 2, 2.0, 3.0, 4.0), Point(1010, 10, 1, 9.0, 9.0, 9.0)]
    }
    assert [(w.from_s, w.until_s) for w in read.watched(0.0, 2000.0)] == [(1000.0, 1013.0)]


def test_an_event_is_kept_once(tmp_path: Path) -> None:
    store = Store("test", tmp_path / "history.sqlite3")
    lost = Event(NOON, "unreachable", "pi4 cannot be reached", "node", "pi4")
    later = Event(NOON + timedelta(minutes=1), "ok", "pi4 is reached again", "node", "pi4")
    store.add_events([lost, later])
    store.add_events([lost])
    assert store.events(NOON) == [lost, later]
    assert store.events(NOON + timedelta(seconds=1)) == [later]


def test_an_event_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    store = Store("test", tmp_path / "history.sqlite3")
    lost = Event(NOON, "unreachable", "pi4 cannot be reached", "node", "pi4")
    store.add_events([lost])
    for key, damaged in (("torn", b'{"at": "2026-'), ("newer", b'{"at": 1}'), ("odd", b"\xff")):
        with store._db as db:
            db.execute("INSERT INTO events VALUES (?, ?, ?)", (key, NOON.timestamp(), damaged))
    assert store.events(NOON) == [lost]


def test_one_process_writes(tmp_path: Path) -> None:
    first, second = WriterLock("test"), WriterLock("test")
    first.path = second.path = tmp_path / "lock"
    assert first.take()
    assert not second.take()
    first.release()
    assert second.take()
