"""What is kept of links for ten seconds is what all looks in them told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetctl.health.assess import Checked
from fleetctl.history.store import HistoryError, Store
from fleetctl.model.samples import Point, Series
from fleetctl.recording import Recorder
from fleetctl.recording.recorder import STEPS_WAITING
from fleetctl.undertakings import Snapshot
from tests.health.test_unexplained import CLUSTER
from tests.health.world import World

LOSS = Series("link", "mini3:pi4/edge51", "loss_percent")
RTT = Series("link", "mini3:pi4/edge51", "rtt_ms")
T = 1_000_000.0


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store("test", tmp_path / "history.sqlite3")


@pytest.fixture(scope="module")
def well() -> Checked:
    return World(CLUSTER).check()


@pytest.fixture(scope="module")
def cut_off() -> Checked:
    world = World(CLUSTER)
    world.hosts["pi4"].powered = False
    return world.check()


def look(checked: Checked, at_s: float, *new: str) -> Snapshot:
    """A snapshot in which these nodes answered since that a second before; by default all."""
    at, before = (datetime.fromtimestamp(one_s, UTC) for one_s in (at_s, at_s - 1))
    facts = {
        name: replace(one, measured_at=at if name in new or not new else before)
        for name, one in checked.facts.items()
    }
    return Snapshot(
        replace(checked, status=replace(checked.status, generated_at=at), facts=facts), {}
    )


def points(store: Store, series: Series = LOSS) -> Sequence[Point]:
    return store.points(T - 100, T + 1000, kind="link").get(series, ())


def test_a_link_that_was_bad_between_two_values_was_bad(
    store: Store, well: Checked, cut_off: Checked
) -> None:
    recorder = Recorder(store)
    recorder.take(look(well, T))
    recorder.take(look(cut_off, T + 3))
    recorder.take(look(well, T + 6))
    assert [p.high for p in points(store)] == [0.0], "the step is not over"
    recorder.take(look(well, T + 11))
    first, second = points(store)
    assert (first.at_s, first.count, first.low, first.high) == (T, 3, 0.0, 100.0)
    assert (second.at_s, second.count, second.high) == (T + 10, 1, 0.0)
    assert [p.count for p in points(store, RTT)] == [2, 1]
    [minute] = store.points(T - 100, T + 100, kind="link", step_s=60)[LOSS][:1]
    assert (minute.count, minute.high) == (4, 100.0)


def test_looks_that_came_before_the_writing_are_each_kept_once(
    store: Store, well: Checked, cut_off: Checked
) -> None:
    recorder = Recorder(store)
    for second, found in ((1, cut_off), (2, well), (3, well)):
        recorder.look(look(found, T + second))
    recorder.look(look(well, T + 4, "mini2"))
    recorder.write()
    recorder.write(last=True)
    [point] = points(store)
    assert (point.count, point.high) == (3, 100.0)


def test_the_last_looks_are_kept_at_the_end(store: Store, well: Checked, cut_off: Checked) -> None:
    recorder = Recorder(store)
    recorder.take(look(well, T))
    recorder.look(look(cut_off, T + 2))
    recorder.write(last=True)
    assert [p.high for p in points(store)] == [100.0]


def test_looks_wait_for_a_file_that_cannot_be_written_and_are_bounded(
    store: Store, well: Checked, cut_off: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(store)

    def full(*_: object, **__: object) -> None:
        raise HistoryError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(store, "add", full)
        recorder.look(look(well, T))
        for step in range(1, STEPS_WAITING + 5):
            recorder.look(look(cut_off, T + 10 * step))
            with pytest.raises(HistoryError):
                recorder.write()
    recorder.write()
    assert [p.high for p in points(store)] == [100.0] * STEPS_WAITING
