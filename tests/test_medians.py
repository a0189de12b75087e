"""Medians are those of the standard library."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fleetctl.medians import median, median_low


@given(some.lists(some.integers(-100, 100) | some.floats(-1e6, 1e6), min_size=1, max_size=9))
def test_they_are_those_of_the_library(values: list[float]) -> None:
    assert median(values) == statistics.median(values)
    assert median_low(values) == statistics.median_low(values)


@pytest.mark.parametrize("of", [median, median_low])
def test_of_nothing_there_is_none(of: object) -> None:
    with pytest.raises(ValueError, match="nothing"):
        of([])  # type: ignore[operator]
