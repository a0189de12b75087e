"""Medians. Those of :mod:`statistics` take ten milliseconds to import, for fractions."""

from __future__ import annotations

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


def _sorted(values: Iterable[float]) -> list[float]:
    if found := sorted(values):
        return found
    raise ValueError("no median of nothing")
