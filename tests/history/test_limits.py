"""The history keeps to its limits: what is old is thinned and dropped, what is new is kept."""

from __future__ import annotations

import random
import subprocess
import sys
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from fleetctl.history.file import LEVELS
from fleetctl.history.store import SETTLED_S, Store
from fleetctl.history.thinning import used_bytes
from fleetctl.model.events import Event
from fleetctl.model.history_limits import HistoryLimits
from fleetctl.model.samples import Sample, Series

RTT = Series("link", "mini1:pi4/fabric", "rtt_ms")
DAY_S = 86_400
NOW_S = 1_800_000_000.0
FULL_DISK = """
import sys
from pathlib import Path
from fleetctl.history.store import HistoryError, Store
from fleetctl.model.samples import Sample, Series
import random
store = Store("test", Path(sys.argv[1]) / "history.sqlite3")
series = [Series("node", f"pi{n}", "load1") for n in range(500)]
filler = Path(sys.argv[1]) / "filler"
for step in range(200):
    if step == 60:
        with filler.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)) == 4096:
                    pass
            except OSError:
                pass
    store.add(1000.0 + 600 * step, [Sample(s, random.random()) for s in series], watched_from_s=0.0)
store.close()
read = Store("test", Path(sys.argv[1]) / "history.sqlite3", reading=True)
points = next(iter(read.points(0.0, 1e9, step_s=10).values()))
print(int(points[0].at_s), int(points[-1].at_s))
print(read._db.execute("PRAGMA integrity_check").fetchone()[0])
"""


def at(store: Store, s: float, value: float = 1.0) -> None:
    store.add(s, [Sample(RTT, value)], watched_from_s=s - SETTLED_S)


def lengths(store: Store, since_s: float = 0.0) -> list[float]:
    return [p.length_s for p in store.points(since_s, NOW_S + DAY_S).get(RTT, [])]


def test_what_is_old_is_kept_in_longer_stretches(tmp_path: Path) -> None:
    store = Store("test", tmp_path / "history.sqlite3")
    for age_days in (400, 200, 20, 0.5, 0):
        at(store, NOW_S - age_days * DAY_S, age_days)
    at(store, NOW_S + 61)  # a step of thinning is due
    at(store, NOW_S + 122)
    found = store.points(0.0, NOW_S + DAY_S)[RTT]
    assert [(p.length_s, p.mean) for p in found] == [
        (600, 200.0),
        (60, 20.0),
        (10, 0.5),
        (10, 0.0),
        (10, 1.0),
        (10, 1.0),
    ]


def test_a_clock_that_is_ahead_for_a_moment_costs_nothing(tmp_path: Path) -> None:
    store = Store("test", tmp_path / "history.sqlite3")
    at(store, NOW_S)
    for ahead_s in range(0, 240, 10):
        later_s = NOW_S + 4000 * DAY_S
        store.add(later_s + ahead_s, [Sample(RTT, 7.0)], watched_from_s=later_s)
    at(store, NOW_S + 250)
    assert [p.mean for p in store.points(0.0, NOW_S + DAY_S)[RTT]] == [1.0, 1.0]


def test_each_time_is_told_once_whatever_is_dropped(tmp_path: Path) -> None:
    store = Store("test", tmp_path / "history.sqlite3")
    for n in range(100):
        at(store, NOW_S - 2 * DAY_S + n * 1300.0)
    at(store, NOW_S + 100)
    for step_s in (10, 60, 600, 21_600):
        found = store.points(0.0, NOW_S + DAY_S, step_s=step_s)[RTT]
        assert sum(p.count for p in found) == 101
        assert all(a.at_s + a.length_s <= b.at_s for a, b in pairwise(found))
    assert set(lengths(store)) == {10, 60}


def test_days_and_size_are_bounds(tmp_path: Path) -> None:
    limits = HistoryLimits(days=6, mb=1)
    store = Store("test", tmp_path / "history.sqlite3", limits=limits)
    many = [Series("node", f"pi{n}", "load1") for n in range(600)]
    start_s = NOW_S - 10 * DAY_S
    for n in range(150):
        at_s = start_s + n * DAY_S / 20
        samples = [Sample(s, random.random()) for s in many]
        store.add(at_s, samples, watched_from_s=start_s)
        store.add_events([Event(datetime.fromtimestamp(at_s, UTC), "ok", f"{n} {'x' * 500}")])
    assert used_bytes(store._db) <= 1.3 * 1024 * 1024
    assert (tmp_path / "history.sqlite3").stat().st_size <= 3 * 1024 * 1024
    newest_s = start_s + 149 * DAY_S / 20
    found = store.points(0.0, 2 * NOW_S)[many[0]]
    assert newest_s - 10 < found[-1].at_s <= newest_s
    assert found[0].at_s > newest_s - 7 * DAY_S
    events = store.events(datetime.fromtimestamp(0, UTC))
    assert events[-1].text.startswith("149 ")
    assert events[0].at.timestamp() > newest_s - 7 * DAY_S


def test_lower_limits_are_reached_in_steps(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    store = Store("test", path)
    for n in range(3000):
        store._db.execute(
            f"INSERT INTO points_{LEVELS[2]} VALUES (?, ?)", (600 * n, random.randbytes(2000))
        )
    store._db.commit()
    store.close()
    store = Store("test", path, limits=HistoryLimits(mb=1))
    for n in range(100):
        at(store, 600 * 3000 + 10 * n)
    assert used_bytes(store._db) <= 1024 * 1024
    assert lengths(store)[-1] == 10


@pytest.mark.lab
def test_on_a_full_disk_the_newest_is_kept(tmp_path: Path) -> None:
    mounts = 'mount -t tmpfs -o size=40m none "$1" && exec "$2" -c "$3" "$1"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", mounts, "sh", str(tmp_path), sys.executable, FULL_DISK],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (first, last), (whole,) = map(str.split, done.stdout.splitlines())
    assert int(last) == 1000 + 600 * 199 // 10 * 10
    assert int(first) > 1000
    assert whole == "ok"
