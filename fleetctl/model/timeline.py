"""Points over time in as many columns as there is room for, and their figures. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from fleetctl.model.samples import Point


class Column(Struct, frozen=True):
    """What is known of the time of one column."""

    low: float
    mean: float
    high: float


class Figures(Struct, frozen=True):
    """Of all points: the least and the greatest value, the middle of the means of all stretches,
    and what the greatest of a stretch stays below in 99 of 100."""

    low: float
    median: float
    p99: float
    high: float


def columns(
    points: Sequence[Point], since_s: float, until_s: float, number: int
) -> list[Column | None]:
    """The time from ``since_s`` to ``until_s`` in ``number`` parts; None: nothing is known of it.

    A point longer than a column is in each that it reaches into by more than a moment.
    """
    width_s = (until_s - since_s) / number
    found: list[list[Point]] = [[] for _ in range(number)]
    for point in points:
        first = (point.at_s - since_s) / width_s
        last = (point.at_s + point.length_s - since_s) / width_s
        begin = math.floor(first + 1e-9)
        for column in range(max(0, begin), min(number, max(begin + 1, math.floor(last)))):
            found[column].append(point)
    return [_together(part) if part else None for part in found]


def _together(points: Sequence[Point]) -> Column:
    count = sum(p.count for p in points)
    mean = sum(p.mean * p.count for p in points) / count
    return Column(min(p.low for p in points), mean, max(p.high for p in points))


def figures(points: Sequence[Point]) -> Figures:
    """
    :param points: at least one.
    """
    means = sorted(p.mean for p in points)
    highs = sorted(p.high for p in points)
    return Figures(
        low=min(p.low for p in points),
        median=means[len(means) // 2],
        p99=highs[math.ceil(0.99 * len(highs)) - 1],
        high=highs[-1],
    )
