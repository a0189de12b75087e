"""Time from left to right: columns, the times below them, characters with their tones. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from textual.content import Content

from fleetctl.marks import Tone
from fleetctl.tui.past.stretch import Stretch
from fleetctl.tui.tones import toned

Cell = tuple[str, Tone | None]
"""A character and its tone; None: the terminal's own colour."""
WORST_FIRST: tuple[Tone | None, ...] = ("bad", "doubt", "busy", "good", "quiet", None)
BLANK: Cell = (" ", None)


def painted(cells: Sequence[Cell]) -> Content:
    """Characters in their tones, those of one tone together."""
    found: list[Content] = []
    start = 0
    for end in range(1, len(cells) + 1):
        if end == len(cells) or cells[end][1] != cells[start][1]:
            text, tone = "".join(cell[0] for cell in cells[start:end]), cells[start][1]
            found.append(toned(text, tone) if tone else Content(text))
            start = end
    return Content("").join(found)


def column_of(at_s: float, stretch: Stretch, width: int) -> int | None:
    """The column of a moment; None: it lies outside."""
    share = (at_s - stretch.since_s) / (stretch.until_s - stretch.since_s)
    return min(width - 1, int(share * width)) if 0 <= share <= 1 else None


def worse(one: Cell, other: Cell) -> Cell:
    """What is shown of two in one column."""
    return other if WORST_FIRST.index(other[1]) < WORST_FIRST.index(one[1]) else one


def moment(at_s: float, span_s: float = 0.0, *, seconds: bool = False) -> str:
    """A local time; with its weekday where more than a day is shown."""
    at = datetime.fromtimestamp(at_s, UTC).astimezone()
    day = f"{at:%a} " if span_s > 80_000 else ""
    return f"{day}{at:%H:%M:%S}" if seconds else f"{day}{at:%H:%M}"


def time_axis(stretch: Stretch, width: int) -> str:
    """Begin, middle and end, as local times."""
    span_s = stretch.until_s - stretch.since_s
    times = (stretch.since_s, stretch.since_s + span_s / 2, stretch.until_s)
    first, middle, last = (moment(at_s, span_s) for at_s in times)
    if width < len(first) + len(last) + 1:  # there is no room for weekdays
        first, last = moment(times[0]), moment(times[2])
    if width < 3 * len(first) + 4:
        middle = ""
    line = first.ljust(max(0, (width - len(middle)) // 2)) + middle
    return line + last.rjust(max(0, width - len(line)))
