"""Medians are those of the standard library."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fleetctl.medians import MediansWithoutOne, median, median_low


@given(some.lists(some.integers(-100, 100) | some.floats(-1e6, 1e6), min_size=1, max_size=9))
def test_they_are_those_of_the_library(values: list[float]) -> None:
    assert median(values) == statistics.median(values)
    assert median_low(values) == statistics.median_low(values)


@given(some.lists(some.integers(-9, 9), min_size=2, max_size=9))
def test_without_one_they_are_those_of_the_others(values: list[float]) -> None:
    medians = MediansWithoutOne(values)
    for place, value in enumerate(values):
        others = [*values[:place], *values[place + 1 :]]
        assert medians.without(value) == statistics.median(others)


def test_one_alone_has_no_others() -> None:
    with pytest.raises(ValueError, match="nothing"):
        MediansWithoutOne([1.0]).without(1.0)


@pytest.mark.parametrize("of", [median, median_low])
def test_of_nothing_there_is_none(of: object) -> None:
    with pytest.raises(ValueError, match="nothing"):
        of([])  # type: ignore[operator]
