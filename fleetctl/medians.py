"""Medians. Those of :mod:`statistics` take ten milliseconds to import, for fractions."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable


def median(values: Iterable[float]) -> float:
    """The middle one, or the mean of the two in the middle.

    :raises ValueError: there are none.
    """
    found = _sorted(values)
    middle = len(found) // 2
    return found[middle] if len(found) % 2 else (found[middle - 1] + found[middle]) / 2


def median_low(values: Iterable[float]) -> float:
    """The middle one, or the lower one of the two in the middle.

    :raises ValueError: there are none.
    """
    found = _sorted(values)
    return found[(len(found) - 1) // 2]


class MediansWithoutOne:
    """For each of many values: the median of all others, without sorting these again."""

    def __init__(self, values: Iterable[float]) -> None:
        self._sorted = sorted(values)

    def without(self, value: float) -> float:
        """As :func:`median`, of all but one that is ``value``.

        :raises ValueError: there are no others.
        """
        left, out = len(self._sorted) - 1, bisect_left(self._sorted, value)
        if left < 1:
            raise ValueError("no median of nothing")

        def at(place: int) -> float:
            return self._sorted[place if place < out else place + 1]

        return at(left // 2) if left % 2 else (at(left // 2 - 1) + at(left // 2)) / 2


def _sorted(values: Iterable[float]) -> list[float]:
    if found := sorted(values):
        return found
    raise ValueError("no median of nothing")
