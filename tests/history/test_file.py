"""The history's file: what is damaged is put aside, what is killed loses seconds, nobody else
reads it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleetctl.history.store import HistoryError, Store
from fleetctl.model.samples import Sample, Series

LOAD = Series("node", "pi4", "load1")
BEGIN = datetime.fromtimestamp(0, UTC)
WRITES = """
import sys, itertools
from pathlib import Path
from fleetctl.history.store import Store
from fleetctl.model.samples import Sample, Series
store = Store("test", Path(sys.argv[1]))
many = [Series("node", f"pi{n}", "load1") for n in range(200)]
for step in itertools.count():
    store.add(10.0 * step, [Sample(s, step) for s in many], watched_from_s=0.0)
    print(step, flush=True)
"""


def wrote(path: Path, at_s: float = 1000.0) -> Store:
    store = Store("test", path)
    store.add(at_s, [Sample(LOAD, 1.5)], watched_from_s=at_s)
    return store


def damage(store: Store) -> None:
    """What is on the disk is no longer what was written; ``store`` has to read it again."""
    store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with store.path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (store.path.stat().st_size - 4096))
    store._db.execute("PRAGMA cache_size = 0")


def count(path: Path) -> int:
    found = Store("test", path, reading=True).points(0, 1e9)
    return sum(len(points) for points in found.values())


def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "fleet" / "history.sqlite3"
    before = os.umask(0)
    try:
        wrote(path)
    finally:
        os.umask(before)
    modes = {p.name: p.stat().st_mode & 0o777 for p in path.parent.iterdir()}
    assert {f"history.sqlite3{ending}" for ending in ("", "-wal", "-shm")} <= modes.keys()
    assert set(modes.values()) == {0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("kind", ["text", "torn", "newer", "other"])
def test_what_cannot_be_used_is_put_aside(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "history.sqlite3"
    if kind == "text":
        path.write_text("this is no database, but a text that is longer than its head " * 50)
    elif kind == "torn":
        store = wrote(path)
        store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        os.truncate(path, 8192)
    else:
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE mine (x)")
            db.execute(f"PRAGMA user_version = {7 if kind == 'newer' else 0}")
    content = path.read_bytes()
    with pytest.raises(HistoryError, match="cannot be read"):
        Store("test", path, reading=True).points(0, 1e9)
    assert path.read_bytes() == content  # who only reads changes nothing
    store = wrote(path)
    assert "began anew" in store.note
    assert [e.text for e in store.events(BEGIN)] == [store.note]
    (aside,) = tmp_path.glob("*.aside-*[0-9]")
    assert aside.read_bytes() == content
    store.close()
    assert count(path) == 1


def test_only_the_newest_that_were_put_aside_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    for n in range(5):
        path.write_text(f"no database {n} " * 100)
        Store("test", path).close()
    kept = sorted(p.read_text()[:13] for p in tmp_path.glob("*.aside-*"))
    assert kept == ["no database 3", "no database 4"]


def test_damage_that_shows_while_it_is_written_loses_no_newer_sample(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    store = wrote(path)
    damage(store)
    store.add(2000.0, [Sample(LOAD, 2.0)], watched_from_s=2000.0)
    assert "damaged" in store.note
    assert store.points(0, 1e9)[LOAD][-1].mean == 2.0


def test_one_that_was_removed_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    store = wrote(path)
    other = Store("test", path)
    for name in list(tmp_path.glob("history.sqlite3*")):
        name.unlink()
    store.add(2000.0, [Sample(LOAD, 2.0)], watched_from_s=2000.0)
    assert count(path) == 1
    other.version()
    assert [p.mean for p in other.points(0, 1e9)[LOAD]] == [2.0]


def test_one_that_cannot_be_put_aside_is_written_again_once_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "history.sqlite3"
    store = wrote(path)
    damage(store)

    def refused(_: Path) -> Path:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr("fleetctl.history.store.put_aside", refused)
        with pytest.raises(HistoryError, match="Permission denied"):
            store.add(2000.0, [Sample(LOAD, 2.0)], watched_from_s=2000.0)
    store.add(3000.0, [Sample(LOAD, 3.0)], watched_from_s=3000.0)
    assert [p.mean for p in store.points(0, 1e9)[LOAD]] == [3.0]


def test_it_is_read_while_it_is_written_and_never_made_by_a_reader(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    with pytest.raises(HistoryError, match="no history yet"):
        Store("test", path, reading=True)
    assert not path.exists()
    store = wrote(path)
    read = Store("test", path, reading=True)
    store.add(1010.0, [Sample(LOAD, 2.5)], watched_from_s=1000.0)
    assert [p.mean for p in read.points(0, 1e9)[LOAD]] == [1.5, 2.5]
    with pytest.raises(HistoryError, match="cannot be written"):
        read.add(1.0, [], watched_from_s=0.0)


@pytest.mark.parametrize("kind", ["missing", "damaged"])
def test_of_several_that_open_it_at_once_one_makes_it(tmp_path: Path, kind: str) -> None:
    """What another has half made is no file of another program, and what it has made anew good."""
    together = threading.Barrier(4)

    def opened(path: Path) -> str:
        together.wait(30)
        store = Store("test", path)
        store.close()
        return store.note

    with ThreadPoolExecutor(together.parties) as threads:
        for number in range(40):
            path = tmp_path / str(number) / "history.sqlite3"
            if kind == "damaged":
                path.parent.mkdir(mode=0o700)
                path.write_bytes(b"\xa5" * 8192)
            notes = list(threads.map(opened, [path] * together.parties))
            assert [bool(note) for note in notes].count(True) == (kind == "damaged"), notes
            asides = [p for p in path.parent.glob("*.aside-*") if p.suffix[-1].isdigit()]
            assert len(asides) == (kind == "damaged")


def test_one_that_is_half_made_is_of_no_other_program(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    wrote(path).close()
    making = sqlite3.connect(path, isolation_level=None)
    making.executescript("BEGIN IMMEDIATE; PRAGMA user_version = 0; DROP TABLE events;")
    assert count(path) == 1
    making.execute("ROLLBACK")
    making.close()
    path.unlink()
    path.touch(0o600)
    with pytest.raises(HistoryError, match="there is no history yet: nothing is in"):
        Store("test", path, reading=True)


def test_after_kill_9_all_that_was_written_is_there(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    written = -1
    for _ in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITES, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout
        for line in child.stdout:
            written = max(written, int(line))
            if int(line) >= 30:
                os.kill(child.pid, signal.SIGKILL)
                break
        child.stdout.close()
        child.wait(timeout=60)
    store = Store("test", path)
    assert store.note == ""
    assert store._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    found = store.points(0, 1e9)
    assert len(found) == 200
    assert all(len(points) >= written + 1 for points in found.values())
