"""The shown lines of a buffer, by instance and filter, and iterating over them. Pure."""

from __future__ import annotations

import time
from array import array
from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from math import inf
from operator import attrgetter
from typing import NamedTuple

from fleetctl.logs.buffer import Changes, Chunk, LogBuffer
from fleetctl.logs.lines import shown
from fleetctl.logs.matching import Filter, Pattern, texts
from fleetctl.logs.tidying import plain

_KEY = attrgetter("key")
_SPLIT_CHUNKS = 32
"""How many chunks are kept split into lines."""

_Rows = Sequence[int]


class LinePosition(NamedTuple):
    """A line, or a mark; stays valid when other lines are added or dropped."""

    chunk: Chunk
    number: int
    """Of the line in its chunk."""


class LogView:
    """The lines of some instances by time, all or those that a filter keeps.

    :meth:`work` applies the filter a slice at a time, newest lines first. Marks are always shown,
    and never counted.
    """

    def __init__(self, buffer: LogBuffer) -> None:
        self._buffer = buffer
        self._names = set(buffer.names)
        self._filter: Filter | None = None
        self._context = 0
        self._chunks: list[Chunk] = []
        """The chunks with shown lines, in order."""
        self._matches: dict[Chunk, _Rows] = {}
        self._shown: dict[Chunk, _Rows] = {}
        self._pending: list[Chunk] = []
        self._rows_before: list[int] | None = None
        self._split: OrderedDict[Chunk, list[bytes]] = OrderedDict()
        self.held = 0
        """Lines of the chosen instances."""
        self.matched = 0
        """How many of them the filter keeps, as far as they were filtered."""
        self._fresh_from: int | None = None
        self.fresh = 0
        """How many of these came since :meth:`watch_fresh`."""

    # What is shown

    def choose(self, names: Sequence[str] | None) -> None:
        """Show these instances; ``None``: all."""
        self._names = set(self._buffer.names if names is None else names)
        self._rebuild()

    def keep(self, wanted: Filter | None, context: int = 0) -> None:
        """Show only the lines that ``wanted`` keeps, each with ``context`` lines of its own log
        before and after it."""
        if (wanted, context) != (self._filter, self._context):
            self._filter, self._context = wanted, context
            self._rebuild()

    def watch_fresh(self) -> None:
        """Count new lines in :attr:`fresh` from now on."""
        self._fresh_from, self.fresh = self._buffer.number, 0

    def update(self, changes: Changes) -> bool:
        """Apply the changes of the buffer.

        :returns: whether they concern the chosen instances.
        """
        touched = False
        for chunk in changes.added:
            if chunk.instance in self._names:
                touched = True
                self._enter(chunk)
        for chunk in changes.gone:
            if chunk.instance in self._names:
                touched = True
                self._leave(chunk)
        return touched

    @property
    def pending(self) -> bool:
        """Whether :meth:`work` has something to do."""
        return bool(self._pending)

    def work(self, budget_s: float, clock: Callable[[], float] = time.perf_counter) -> None:
        """Filter pending lines for about ``budget_s`` seconds."""
        until = clock() + budget_s
        while self._pending:
            chunk = self._pending.pop()
            if not chunk.gone:
                self._scan(chunk)
            if clock() >= until:
                return

    def _rebuild(self) -> None:
        chosen = [c for name in self._buffer.names if name in self._names
                  for c in self._buffer.chunks(name)]  # fmt: skip
        chosen.sort(key=_KEY)
        self._matches, self._shown = {}, {}
        self._rows_before = None
        self.held = sum(chunk.lines for chunk in chosen)
        self.fresh = self.matched = 0
        if self._filter:
            self._chunks = [chunk for chunk in chosen if chunk.mark]
            self._pending = [chunk for chunk in chosen if not chunk.mark]
            return
        self._chunks, self._pending = chosen, []
        for chunk in chosen:
            self._count(chunk, chunk.lines)

    def _enter(self, chunk: Chunk) -> None:
        self.held += chunk.lines
        if self._filter and not chunk.mark:
            self._pending.append(chunk)
            return
        self._count(chunk, chunk.lines)
        self._insert(chunk)

    def _leave(self, chunk: Chunk) -> None:
        self.held -= chunk.lines
        self._split.pop(chunk, None)
        if self._filter and not chunk.mark:
            self.matched -= len(self._matches.pop(chunk, ()))
            self._shown.pop(chunk, ())
            reach = self._context  # its lines no longer have context
            for other in self._buffer.chunks(chunk.instance):
                if reach <= 0:
                    break
                self._show(other)
                reach -= other.lines
        else:
            self.matched -= chunk.lines
        self._remove(chunk)

    def _count(self, chunk: Chunk, lines: int) -> None:
        self.matched += lines
        if self._fresh_from is not None and chunk.key[1] > self._fresh_from:
            self.fresh += lines

    def _insert(self, chunk: Chunk) -> None:
        if self._chunks and chunk.key < self._chunks[-1].key:
            insort(self._chunks, chunk, key=_KEY)
        else:
            self._chunks.append(chunk)
        self._rows_before = None

    def _remove(self, chunk: Chunk) -> None:
        if self._holds(chunk):
            del self._chunks[bisect_left(self._chunks, chunk.key, key=_KEY)]
            self._rows_before = None

    def _scan(self, chunk: Chunk) -> None:
        assert self._filter is not None
        matches: _Rows = array("I", self._filter.kept(chunk))
        if len(matches) == chunk.lines:
            matches = range(chunk.lines)
        self._matches[chunk] = matches
        self._count(chunk, len(matches))
        self._show(chunk)
        if not matches or not self._context:
            return
        # neighbours may have lines that are now context
        reach, other = self._context - matches[0], chunk.prev
        while reach > 0 and other:
            self._show(other)
            reach, other = reach - other.lines, other.prev
        reach, other = self._context - (chunk.lines - 1 - matches[-1]), chunk.next
        while reach > 0 and other:
            self._show(other)
            reach, other = reach - other.lines, other.next

    def _show(self, chunk: Chunk) -> None:
        """Update which of the chunk's lines are shown, by what was filtered so far."""
        if chunk not in self._matches:
            return
        before, rows = self._shown.get(chunk, ()), self._with_context(chunk)
        self._shown[chunk] = rows
        if rows and not before:
            self._insert(chunk)
        elif before and not rows:
            self._remove(chunk)
        elif len(rows) != len(before):
            self._rows_before = None

    def _with_context(self, chunk: Chunk) -> _Rows:
        matches, context = self._matches[chunk], self._context
        if not context or len(matches) == chunk.lines:
            return matches
        spots = list(matches)
        away, other = 1, chunk.prev
        while other and away <= context:
            if there := self._matches.get(other):
                spots.append(there[-1] - other.lines - away + 1)
                break
            away, other = away + other.lines, other.prev
        away, other = 0, chunk.next
        while other and away < context:
            if there := self._matches.get(other):
                spots.append(chunk.lines + away + there[0])
                break
            away, other = away + other.lines, other.next
        rows: set[int] = set()
        for spot in spots:
            rows.update(range(max(0, spot - context), min(chunk.lines, spot + context + 1)))
        return array("I", sorted(rows))

    # Lines

    def raw(self, place: LinePosition) -> bytes:
        """The bytes of a line, without its end."""
        lines = self._split.get(place.chunk)
        if lines is None:
            lines = place.chunk.data.removesuffix(b"\n").split(b"\n")
            self._split[place.chunk] = lines
            if len(self._split) > _SPLIT_CHUNKS:
                self._split.popitem(last=False)
        return lines[place.number]

    def text(self, place: LinePosition) -> str:
        """A line as a screen shows it, with colours; or the text of a mark."""
        return place.chunk.mark or shown(self.raw(place))

    def is_match(self, place: LinePosition) -> bool:
        """Whether the line itself matches the filter, and is not context."""
        if self._filter is None or place.chunk.mark or place.chunk.gone:
            return True
        matches = self._matches.get(place.chunk, ())
        at = bisect_left(matches, place.number)
        return at < len(matches) and matches[at] == place.number

    def keeps(self, text: str, instance: str = "") -> bool:
        """Whether the filter keeps a line of ``instance`` with this text."""
        return self._filter is None or self._filter.keeps(plain(text), instance)

    def everything(self) -> Iterator[tuple[Chunk, Sequence[int]]]:
        """What is shown now: each chunk with the numbers of its lines, none for a mark. A copy, to
        be iterated in any thread."""
        parts = [(chunk, () if chunk.mark else self._rows(chunk)) for chunk in self._chunks]
        return iter(parts)

    # Iterating

    def _rows(self, chunk: Chunk) -> _Rows:
        if chunk.mark:
            return range(1)
        return self._shown.get(chunk, ()) if self._filter else range(chunk.lines)

    def after(self, place: LinePosition | None) -> Iterator[LinePosition]:
        """The positions after ``place``, in order; all when it is None."""
        at = 0
        if place:
            at = bisect_left(self._chunks, place.chunk.key, key=_KEY)
            if at < len(self._chunks) and self._chunks[at] is place.chunk:
                rows = self._rows(place.chunk)
                for i in range(bisect_right(rows, place.number), len(rows)):
                    yield LinePosition(place.chunk, rows[i])
                at += 1
        for i in range(at, len(self._chunks)):
            chunk = self._chunks[i]
            for row in self._rows(chunk):
                yield LinePosition(chunk, row)

    def before(self, place: LinePosition | None) -> Iterator[LinePosition]:
        """The positions before ``place``, nearest first; all when it is None."""
        at = len(self._chunks)
        if place:
            at = bisect_left(self._chunks, place.chunk.key, key=_KEY)
            if at < len(self._chunks) and self._chunks[at] is place.chunk:
                rows = self._rows(place.chunk)
                for i in range(bisect_left(rows, place.number) - 1, -1, -1):
                    yield LinePosition(place.chunk, rows[i])
        for i in range(at - 1, -1, -1):
            chunk = self._chunks[i]
            for row in reversed(self._rows(chunk)):
                yield LinePosition(chunk, row)

    def contains(self, place: LinePosition) -> bool:
        """Whether ``place`` is still shown."""
        if not self._holds(place.chunk):
            return False
        rows = self._rows(place.chunk)
        row = bisect_left(rows, place.number)
        return row < len(rows) and rows[row] == place.number

    def from_time(self, at_s: float) -> LinePosition | None:
        """The first line that is not older than ``at_s``, in epoch seconds."""
        for chunk in self._chunks[bisect_left(self._chunks, (at_s, -inf), key=_KEY) :]:
            if rows := self._rows(chunk):
                return LinePosition(chunk, rows[0])
        return None

    @property
    def rows(self) -> int:
        """The number of positions."""
        return self._sums()[-1]

    def index(self, place: LinePosition) -> int:
        """The number of positions before this one."""
        at = bisect_left(self._chunks, place.chunk.key, key=_KEY)
        inside = 0
        if at < len(self._chunks) and self._chunks[at] is place.chunk:
            inside = bisect_left(self._rows(place.chunk), place.number)
        return self._sums()[at] + inside

    def at(self, index: int) -> LinePosition | None:
        """The position with that index; ``None`` beyond the end."""
        sums = self._sums()
        if not 0 <= index < sums[-1]:
            return None
        at = bisect_right(sums, index) - 1
        return LinePosition(self._chunks[at], self._rows(self._chunks[at])[index - sums[at]])

    def _sums(self) -> list[int]:
        if self._rows_before is None:
            if self._filter:
                sizes = (len(self._rows(chunk)) for chunk in self._chunks)
            else:
                sizes = (chunk.rows for chunk in self._chunks)
            self._rows_before = list(accumulate(sizes, initial=0))
        return self._rows_before

    def find(
        self, pattern: Pattern, start: LinePosition | None, *, forward: bool
    ) -> Iterator[LinePosition | None]:
        """The nearest line after or before ``start`` (of all when it is None) in which ``pattern``
        is found. Yields ``None`` after each chunk without it, so that the caller can pause."""
        key = start.chunk.key if start else (inf if not forward else -inf, 0)
        if start and self._holds(start.chunk):
            rows = self._rows(start.chunk)
            here = bisect_right(rows, start.number) if forward else bisect_left(rows, start.number)
            if found := self._found(pattern, start.chunk, rows[here:] if forward else rows[:here],
                                    forward):  # fmt: skip
                yield found
                return
        while True:
            at = bisect_right(self._chunks, key, key=_KEY)
            if not forward:
                at = bisect_left(self._chunks, key, key=_KEY) - 1
            if not 0 <= at < len(self._chunks):
                return
            chunk = self._chunks[at]
            if found := self._found(pattern, chunk, self._rows(chunk), forward):
                yield found
                return
            key = chunk.key
            yield None

    def _found(
        self, pattern: Pattern, chunk: Chunk, rows: _Rows, forward: bool
    ) -> LinePosition | None:
        if not rows:
            return None
        lines = [chunk.mark] if chunk.mark else texts(chunk).split("\n")
        for row in rows if forward else reversed(rows):
            if pattern.search(lines[row]):
                return LinePosition(chunk, row)
        return None

    def _holds(self, chunk: Chunk) -> bool:
        at = bisect_left(self._chunks, chunk.key, key=_KEY)
        return at < len(self._chunks) and self._chunks[at] is chunk
