"""A curve in braille: two by four dots in each character (Unicode 16.0, 19.1). Pure."""

from __future__ import annotations

from collections.abc import Sequence

_FIRST = 0x2800
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The bit of each dot, by column and by row from the top."""


def curve(
    values: Sequence[float | None],
    width: int,
    height: int,
    low: float | None = None,
    high: float | None = None,
) -> list[str]:
    """``values``, evenly over the width, as ``height`` lines of ``width`` characters.

    Values next to one another are joined; where one is None there is a gap. A value out of range is
    at the edge. A curve that is level is in the middle.

    :param low, high: what the lowest and the highest dots mean; by default the least and the
        greatest value.
    """
    known = [v for v in values if v is not None]
    rows = [[0] * width for _ in range(height)]
    if not known or width < 1 or height < 1:
        return ["".join(chr(_FIRST) for _ in row) for row in rows]
    bottom, top = (min(known) if low is None else low), (max(known) if high is None else high)
    dots = height * 4

    def place(value: float) -> int:
        """The row of dots, from the top."""
        if top <= bottom:
            return dots // 2
        share = (top - value) / (top - bottom)
        return min(dots - 1, max(0, round(share * (dots - 1))))

    before: int | None = None
    for x in range(width * 2):
        value = values[x * len(values) // (width * 2)]
        if value is None:
            before = None
            continue
        y = place(value)
        for row in _between(before, y):
            rows[row // 4][x // 2] |= _DOTS[x % 2][row % 4]
        before = y
    return ["".join(chr(_FIRST + bits) for bits in row) for row in rows]


def _between(before: int | None, now: int) -> range:
    """The dots of one column, which join the one before it."""
    if before is None or before == now:
        return range(now, now + 1)
    return range(now, before) if before > now else range(before + 1, now + 1)
