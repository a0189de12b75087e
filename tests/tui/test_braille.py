"""A curve of braille dots."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.tui.braille import curve


@pytest.mark.parametrize(
    ("values", "width", "height", "drawn"),
    [
        ([1.0, 1.0, 1.0, 1.0], 2, 1, ["⠤⠤"]),  # level: in the middle
        ([0.0, 1.0, 2.0, 3.0], 2, 1, ["⡠⠊"]),
        ([3.0, 2.0, 1.0, 0.0], 2, 1, ["⠑⢄"]),
        ([0.0, 3.0], 1, 1, ["⡸"]),  # a jump is joined
        ([0.0, None, None, 3.0], 2, 1, ["⡀⠈"]),  # a gap is not
        ([0.0, 7.0], 1, 2, ["⢸", "⡸"]),
        ([], 2, 1, ["⠀⠀"]),
        ([None], 1, 1, ["⠀"]),
    ],
)
def test_curves(values: list[float | None], width: int, height: int, drawn: list[str]) -> None:
    assert curve(values, width, height) == drawn


def test_what_is_out_of_range_is_at_the_edge() -> None:
    assert curve([-9.0, 99.0], 1, 1, 0.0, 3.0) == curve([0.0, 3.0], 1, 1)


@given(
    st.lists(st.none() | st.floats(-1e9, 1e9), max_size=50), st.integers(1, 40), st.integers(1, 9)
)
def test_every_curve_fills_its_place(values: list[float | None], width: int, height: int) -> None:
    lines = curve(values, width, height)
    assert [len(line) for line in lines] == [width] * height
    assert any(set(line) != {"⠀"} for line in lines) or None in values or not values
