"""The rows of a screen of logs, found upward or downward from any row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

from fleetctl.logs.buffer import LogBuffer
from fleetctl.logs.view import LinePosition, LogView


class Tail(NamedTuple):
    """A last line without a line end yet; shown below all other lines."""

    instance: str
    text: str


class Older(NamedTuple):
    """The note above the first line that is held."""

    text: str


What = LinePosition | Tail | Older


class Row(NamedTuple):
    """One row of the screen."""

    what: What
    part: int
    """The row within a wrapped line, from 0."""


TOP = Row(Older(""), 0)
"""The oldest line, whichever that is now."""


class LogRows:
    """The rows of a view.

    :param height_of: how many rows something takes.
    """

    def __init__(self, buffer: LogBuffer, view: LogView, height_of: Callable[[What], int]) -> None:
        self._buffer = buffer
        self._view = view
        self._height_of = height_of
        self.names: Sequence[str] = buffer.names
        """The instances that are shown."""

    def last(self, height: int) -> list[Row]:
        """The newest rows, ``height`` at most."""
        return list(islice(self.above(None), height))[::-1]

    def beginning(self, top: Row, height: int) -> list[Row]:
        """``height`` rows from ``top`` on, or from above it where too few follow."""
        rows = list(islice(self._onward(top), height))
        if len(rows) < height:
            above = self.above(rows[0] if rows else None)
            rows = list(islice(above, height - len(rows)))[::-1] + rows
        return rows

    def _onward(self, top: Row) -> Iterator[Row]:
        """``top``, if it still exists, and the rows below it."""
        what = top.what
        if isinstance(what, Older):
            if older := self._older():
                yield Row(older, 0)
        elif isinstance(what, Tail) or self._view.contains(what):
            yield top
        yield from self.below(top)

    def above(self, row: Row | None) -> Iterator[Row]:
        """The rows above ``row``, nearest first; all rows when it is None."""
        what: What | None = None
        if row:
            what = row.what
            for part in range(row.part - 1, -1, -1):
                yield Row(what, part)
        if isinstance(what, Older):
            return
        tails = [] if isinstance(what, LinePosition) else self._tails()
        if isinstance(what, Tail):
            tails = tails[: self._place(what, tails)]
        places = self._view.before(what if isinstance(what, LinePosition) else None)
        spots: Iterator[What] = chain(reversed(tails), places)
        for found in spots:
            for part in reversed(range(self._height_of(found))):
                yield Row(found, part)
        if older := self._older():
            yield Row(older, 0)

    def below(self, row: Row) -> Iterator[Row]:
        """The rows below ``row``."""
        what, tails = row.what, self._tails()
        for part in range(row.part + 1, self._height_of(what)):
            yield Row(what, part)
        if isinstance(what, Tail):
            tails = tails[self._place(what, tails) + 1 :]
        else:
            for place in self._view.after(what if isinstance(what, LinePosition) else None):
                for part in range(self._height_of(place)):
                    yield Row(place, part)
        for tail in tails:
            for part in range(self._height_of(tail)):
                yield Row(tail, part)

    def _tails(self) -> list[Tail]:
        tails = [Tail(name, self._buffer.tail(name)) for name in self.names]
        return [tail for tail in tails if tail.text and self._view.keeps(tail.text, tail.instance)]

    @staticmethod
    def _place(tail: Tail, tails: Sequence[Tail]) -> int:
        """The index of the instance's tail in ``tails``; their number when it has none any more."""
        names = [other.instance for other in tails]
        return names.index(tail.instance) if tail.instance in names else len(names)

    def _older(self) -> Older | None:
        fallen = sum(map(self._buffer.fallen_lines, self.names))
        if fallen:
            return Older(f"… {fallen:,} older lines are no longer held; `fleetctl logs` has them")
        if any(map(self._buffer.begins_late, self.names)):
            return Older("… `fleetctl logs -n` shows older lines")
        return None

    def bar(self, on_screen: Sequence[Row], height: int, *, following: bool) -> tuple[int, int]:
        """The scrollbar: its first row, and the row after its last; equal when all lines fit."""
        places = [row.what for row in on_screen if isinstance(row.what, LinePosition)]
        count = self._view.rows
        if count <= height or not places:
            return (0, 0)
        length = max(1, round(height * height / count))
        start = height - length
        if not following:
            start = round(start * min(1.0, self._view.index(places[0]) / (count - height)))
        return (start, start + length)
