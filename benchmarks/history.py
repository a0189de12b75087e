"""The history's file: how large a day is, how long a look takes to write, how fast it is read.

``python benchmarks/history.py [--days 1]``

Fleets of 5 and of 50 nodes are written as a watch does it, a look every ten seconds: each node asks
every other one on a network, of 50 only the gateway and the next, and has an instance that trains.
What is older than a day is put into the file as it is after thinning. Then it is read by the
questions of ``fleetctl history``.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from measure import judge, say

from fleetctl.cli.history_reading import STRETCHES, USUAL
from fleetctl.history.blocks import Block
from fleetctl.history.file import LEVELS
from fleetctl.history.store import Store
from fleetctl.history.thinning import DAY_S, kept_s
from fleetctl.model.history_limits import HistoryLimits
from fleetctl.model.samples import METRICS, Sample, Series

NOW_S = 1_800_000_000
STEP_S = LEVELS[0]
DAY_TARGET_S, YEAR_TARGET_S = 0.2, 1.0
ROUNDS = 5
LIMITS = HistoryLimits(days=365, mb=10_000)
_STEADY = {
    "reachable": 1.0,
    "throttled": 0.0,
    "state": 0.0,
    "ready": 1.0,
    "restarts": 2.0,
    "loss_percent": 0.0,
}


def all_series(nodes: int) -> Iterator[Series]:
    """All that is kept of such a fleet."""
    names = [f"node{n}" for n in range(nodes)]
    for name in names:
        for metric in METRICS["node"]:
            yield Series("node", name, metric)
        for metric in METRICS["instance"]:
            yield Series("instance", f"train/worker@{name}", metric)
        asked = names if nodes <= 12 else [names[0], names[(names.index(name) + 1) % nodes]]
        for other in asked:
            for metric in METRICS["link"] if other != name else ():
                yield Series("link", f"{name}:{other}/fabric", metric)
    for metric in METRICS["job"]:
        yield Series("job", "train", metric)


def value(series: Series, step: int) -> float:
    """Something of the kind that is measured, with as many digits."""
    if series.metric in _STEADY:
        return _STEADY[series.metric]
    if series.metric == "step":
        return float(step)
    return round(random.uniform(0.2, 0.6), 3)


def write_looks(store: Store, series: list[Series], looks: int) -> list[float]:
    """Write the newest ``looks``, and say what each took, in seconds of CPU."""
    took = []
    for step in range(looks):
        found = [Sample(one, value(one, step)) for one in series]
        began = time.process_time()
        at_s = NOW_S - (looks - step) * STEP_S
        store.add(at_s, found, watched_from_s=NOW_S - DAY_S)
        took.append(time.process_time() - began)
    return took


def fill_past(path: Path, numbers: int, days: int) -> None:
    """Put in what is left of earlier days: blocks of which each has several samples."""
    pool = [_several(numbers) for _ in range(100)]
    with sqlite3.connect(path) as db:
        for length in LEVELS:
            first = NOW_S - min(days * DAY_S, kept_s(length, LIMITS))
            times = range(first // length * length, NOW_S - DAY_S, length)
            rows = ((at_s, random.choice(pool)) for at_s in times)
            db.executemany(f"INSERT OR IGNORE INTO points_{length} VALUES (?, ?)", rows)


def _several(numbers: int) -> bytes:
    """The bytes of a block in which two thirds of the values change."""
    block = Block()
    for number in range(numbers):
        for _ in range(2):
            block.add(number, round(random.uniform(0.2, 0.6), 3) if number % 3 else 1.0)
    return block.encoded()


def read_s(path: Path, span_s: float, only: str | None = None) -> float:
    """Seconds of CPU that a look takes which opens the file and reads what is usually shown."""
    times = []
    metrics = {metric for names in USUAL.values() for metric in names}
    for _ in range(ROUNDS):
        began = time.process_time()
        store = Store("bench", path, reading=True)
        store.points(
            NOW_S - span_s,
            NOW_S,
            metrics=None if only else metrics,
            subjects={only} if only else None,
            step_s=max(STEP_S, span_s / STRETCHES),
        )
        store.watched(NOW_S - span_s, NOW_S)
        store.close()
        times.append(time.process_time() - began)
    return statistics.median(times)


def size(path: Path, query: str) -> float:
    """MB of the blobs of a table."""
    with sqlite3.connect(path) as db:
        found: float = db.execute(query).fetchone()[0] or 0.0
    return found / 1e6


def measured(folder: Path, nodes: int, looks: int, tell: Callable[[str], object]) -> Path:
    """Write a fleet's history, and tell its sizes."""
    path = folder / f"{nodes}.sqlite3"
    series = list(all_series(nodes))
    store = Store("bench", path, limits=LIMITS)
    took = write_looks(store, series, looks)
    store.close()
    tell(
        f"{nodes} nodes, {len(series)} series: a look is written in "
        f"{1000 * statistics.median(took):.1f} ms of CPU, at most {1000 * max(took):.0f} ms"
    )
    for length in LEVELS:
        row = f"SELECT avg(length(data)) FROM points_{length}"
        tell(f"  stretches of {length} s: {size(path, row) * DAY_S / length:.2f} MB a day")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--days", type=float, default=1.0, help="of looks of 5 nodes [1]")
    days: float = parser.parse_args().days
    random.seed(1)
    with tempfile.TemporaryDirectory() as folder:
        looks = int(days * DAY_S / STEP_S)
        path = measured(Path(folder), 5, looks, say)
        measured(Path(folder), 50, 180, say)
        numbers = len(list(all_series(5)))
        fill_past(path, numbers, LIMITS.days)
        say(f"a year of 5 nodes: {path.stat().st_size / 1e6:.0f} MB")
        judge("a day of 5 nodes is read", read_s(path, DAY_S), DAY_TARGET_S, " s")
        judge("a month of 5 nodes is read", read_s(path, 30 * DAY_S), YEAR_TARGET_S, " s")
        judge("a year of 5 nodes is read", read_s(path, 365 * DAY_S), YEAR_TARGET_S, " s")
        say(f"a day of one node: {read_s(path, DAY_S, 'node1'):.3f} s")


if __name__ == "__main__":
    main()
