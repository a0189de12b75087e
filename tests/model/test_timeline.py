"""Points in columns: a gap stays a gap, and a coarse point fills the columns of its time."""

from __future__ import annotations

from typing import get_args

import pytest

from fleetctl.model.samples import INSTANCE_STATES, METRICS, Point
from fleetctl.model.status import ServiceState
from fleetctl.model.timeline import Column, columns, figures
from fleetctl.words.history import bars, metrics_called, number, title


def point(at_s: float, value: float, length_s: float = 10, count: int = 1) -> Point:
    return Point(at_s, length_s, count, value, value, value)


def means(points: list[Point], number: int, until_s: float = 100.0) -> list[float | None]:
    return [None if c is None else c.mean for c in columns(points, 0.0, until_s, number)]


def test_each_point_is_in_its_column_and_a_gap_stays_one() -> None:
    assert means([point(0, 1), point(20, 3), point(90, 9)], 10) == [
        1, None, 3, None, None, None, None, None, None, 9,
    ]  # fmt: skip


def test_means_are_weighted_by_their_counts() -> None:
    assert means([point(0, 1, count=3), point(10, 5)], 1) == [2.0]
    assert columns([point(0, 1), point(10, 5)], 0, 100, 1) == [Column(1, 3, 5)]


def test_a_point_longer_than_a_column_fills_those_of_its_time() -> None:
    assert means([point(0, 1, 60), point(60, 2, 40)], 10) == [1.0] * 6 + [2.0] * 4
    assert means([point(-30, 1, 60)], 10) == [1, 1, 1] + [None] * 7
    assert means([point(70, 1, 60)], 10) == [None] * 7 + [1, 1, 1]


def test_points_outside_are_in_no_column() -> None:
    assert means([point(-10, 1), point(100, 1), point(500, 1)], 4) == [None] * 4


def test_figures_of_all_points() -> None:
    found = figures([Point(n, 10, 1, n - 0.5, n, n + 0.5) for n in range(200)])
    assert (found.low, found.median, found.p99, found.high) == (-0.5, 100, 197.5, 199.5)
    one = figures([point(0, 3)])
    assert (one.low, one.median, one.p99, one.high) == (3, 3, 3, 3)


def test_bars_tell_zeros_from_gaps() -> None:
    nothing, zero, two = None, Column(0, 0, 0), Column(2, 2, 2)
    assert bars("loss_percent", [zero, nothing, zero]) == "▁ ▁"
    assert bars("loss_percent", [zero, nothing, two]) == "▁ █"
    assert bars("loss_percent", [nothing]) == " "
    assert bars("clock_offset_s", [Column(-4, -4, -4), two]) == "█▅"
    worst = Column(0, 1, INSTANCE_STATES.index("failed"))
    assert bars("state", [Column(0, 0, 0), nothing, worst]) == "● ✖"


def test_every_metric_has_a_title_with_its_unit() -> None:
    for kind, metrics in METRICS.items():
        for metric in metrics:
            assert title(kind, metric) != metric or metric == "step"


def test_every_state_of_an_instance_has_a_number() -> None:
    assert sorted(INSTANCE_STATES) == sorted(get_args(ServiceState))


@pytest.mark.parametrize(
    ("name", "metrics"),
    [
        ("rtt", {"rtt_ms"}),
        ("rtt_ms", {"rtt_ms"}),
        ("loss", {"loss", "loss_percent"}),
        ("load", {"load1"}),
        ("disk", {"disk_free_bytes"}),
        ("cpu", {"cpu_percent"}),
        ("net", {"net_in_bytes_per_s", "net_out_bytes_per_s"}),
        ("step", {"step"}),
        ("steps", {"steps_per_s"}),
        ("heat", set()),
        ("", set()),
    ],
)
def test_metrics_by_their_names(name: str, metrics: set[str]) -> None:
    assert metrics_called(name) == metrics


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("rtt_ms", 0.41234, "0.412"),
        ("rtt_ms", 12345.6, "12346"),
        ("rtt_ms", 1e9 + 0.5, "1.0e+09"),
        ("step", 8102, "8102"),
        ("loss", 0.00001, "1e-05"),
        ("loss", 0, "0"),
        ("disk_free_bytes", 40e9, "37G"),
        ("net_in_bytes_per_s", 1023 * 2**20, "1023M/s"),
        ("state", 9, "failed"),
        ("state", 99, "failed"),
    ],
)
def test_numbers_fit(metric: str, value: float, text: str) -> None:
    assert number(metric, value) == text
    assert len(text) <= 7
