"""The newest lines of several logs, in bounded memory. Pure.

Data is kept unparsed, in chunks of whole lines; a chunk is parsed only when its lines are shown or
searched (:mod:`fleetctl.logs.view`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from fleetctl.logs.events import LogBatch, LogEvent, LogNotice, LogTail
from fleetctl.logs.lines import SHOWN_BYTES

LIMIT_BYTES = 32 * 1024 * 1024
"""The most memory of all logs together."""
CHUNK_BYTES = 64 * 1024
"""A longer batch is split, so that no single step takes long."""
_CHUNK_COST = 512
"""Bytes of a chunk besides its data, about."""


class Chunk:
    """Some successive lines of one log, or one mark. Only its neighbours and ``gone`` change."""

    __slots__ = (
        "at", "data", "gone", "instance", "key", "lines", "mark", "next", "offset", "prev",
        "written",
    )  # fmt: skip

    def __init__(
        self,
        instance: str,
        offset: int,
        data: bytes,
        at: float,
        written: float | None,
        number: int,
        mark: str,
    ) -> None:
        self.instance = instance
        self.offset = offset
        """The offset of its first byte in the log."""
        self.data = data
        self.at = at
        """The time it is sorted by, epoch seconds; never decreases within a log."""
        self.written = written
        """When it was written, epoch seconds; ``None``: not known."""
        self.key = (at, number)
        """Chunks of all logs are shown in this order. The number counts all chunks."""
        self.mark = mark
        """What is shown instead of lines."""
        self.lines = 0 if mark else data.count(b"\n") + (not data.endswith(b"\n"))
        self.prev: Chunk | None = None
        """The previous chunk of the same log."""
        self.next: Chunk | None = None
        self.gone = False
        """Whether it was dropped from the buffer."""

    @property
    def cost(self) -> int:
        """Bytes of memory, about."""
        return len(self.data) + len(self.mark) + _CHUNK_COST

    @property
    def rows(self) -> int:
        """Rows of a screen, unwrapped: its lines, or its mark."""
        return self.lines or 1


class Changes(Struct, frozen=True):
    """What :meth:`LogBuffer.take` changed."""

    added: Sequence[Chunk] = ()
    gone: Sequence[Chunk] = ()
    tails: bool = False
    """Whether an unfinished last line changed."""


class _Log:
    """One instance's chunks, oldest first."""

    def __init__(self) -> None:
        self.chunks: deque[Chunk] = deque()
        self.cost = 0
        self.fallen_lines = 0
        self.tail = ""


class LogBuffer:
    """Holds the newest lines of each of ``names``.

    Beyond ``limit_bytes`` in total, the oldest lines of the largest log are dropped, so a log that
    grows fast never displaces the lines of a quiet one.
    """

    def __init__(self, names: Iterable[str], limit_bytes: int = LIMIT_BYTES) -> None:
        self._logs = {name: _Log() for name in names}
        self._limit_bytes = limit_bytes
        self._cost = 0
        self.number = 0
        """The number of the newest chunk."""

    @property
    def names(self) -> Sequence[str]:
        return tuple(self._logs)

    def chunks(self, name: str) -> Iterable[Chunk]:
        """The chunks of one log, oldest first."""
        return self._logs[name].chunks

    def fallen_lines(self, name: str) -> int:
        """How many of the oldest lines were dropped."""
        return self._logs[name].fallen_lines

    def begins_late(self, name: str) -> bool:
        """Whether the log has older lines than the buffer."""
        first = next((chunk for chunk in self._logs[name].chunks if not chunk.mark), None)
        return first is not None and first.offset > 0

    def tail(self, name: str) -> str:
        """The unfinished last line; empty when there is none."""
        return self._logs[name].tail

    def take(self, events: Iterable[LogEvent]) -> Changes:
        """Add ``events``; those of instances that the buffer does not have are ignored."""
        added: list[Chunk] = []
        tails = False
        for event in _joined(events):
            log = self._logs.get(event.instance)
            if log is None:
                continue
            match event:
                case LogTail(_, text):
                    tails = tails or log.tail != text
                    log.tail = text
                case LogNotice(name, text, came):
                    added.append(self._add(log, name, _end(log), b"", came, came, text or "?"))
                case LogBatch(name, offset, data, came, at):
                    tails = tails or bool(log.tail)
                    log.tail = ""
                    # no later than it was read: the node's clock may be ahead
                    when = came if at is None else min(at, came)
                    for piece in _pieces(data):
                        added.append(self._add(log, name, offset, _folded(piece), when, at))
                        offset += len(piece)
        return Changes(added, self._shrink(), tails)

    def _add(
        self,
        log: _Log,
        name: str,
        offset: int,
        data: bytes,
        at: float,
        written: float | None,
        mark: str = "",
    ) -> Chunk:
        last = log.chunks[-1] if log.chunks else None
        self.number += 1
        at = max(at, last.at) if last else at
        chunk = Chunk(name, offset, data, at, written, self.number, mark)
        if last:
            last.next, chunk.prev = chunk, last
        log.chunks.append(chunk)
        log.cost += chunk.cost
        self._cost += chunk.cost
        return chunk

    def _shrink(self) -> list[Chunk]:
        gone: list[Chunk] = []
        while self._cost > self._limit_bytes:
            log = max(self._logs.values(), key=lambda log: log.cost)
            if len(log.chunks) < 2:
                break  # the newest chunk stays, however large
            chunk = log.chunks.popleft()
            chunk.gone = True
            if chunk.next:  # a view that still holds this one must not keep later ones alive
                chunk.next.prev = None
                chunk.next = None
            log.cost -= chunk.cost
            log.fallen_lines += chunk.lines
            self._cost -= chunk.cost
            gone.append(chunk)
        return gone


def _end(log: _Log) -> int:
    return log.chunks[-1].offset + len(log.chunks[-1].data) if log.chunks else 0


def _joined(events: Iterable[LogEvent]) -> Iterator[LogEvent]:
    """Joins consecutive small batches of one log and the same second."""
    open_batch: LogBatch | None = None
    parts: list[bytes] = []
    size = 0
    for event in events:
        if (
            open_batch
            and isinstance(event, LogBatch)
            and event.instance == open_batch.instance
            and event.offset == open_batch.offset + size
            and size + len(event.data) <= CHUNK_BYTES
            and int(event.came) == int(open_batch.came)
            and (event.at is None) == (open_batch.at is None)
            and int(event.at or 0) == int(open_batch.at or 0)
        ):
            parts.append(event.data)
            size += len(event.data)
            continue
        if open_batch:
            yield _with(open_batch, parts)
        open_batch = event if isinstance(event, LogBatch) else None
        if isinstance(event, LogBatch):
            parts, size = [event.data], len(event.data)
        else:
            yield event
    if open_batch:
        yield _with(open_batch, parts)


def _with(batch: LogBatch, parts: list[bytes]) -> LogBatch:
    if len(parts) == 1:
        return batch
    data = b"".join(parts)
    return LogBatch(batch.instance, batch.offset, data, batch.came, batch.at)


def _pieces(data: bytes) -> Iterator[bytes]:
    """Splits at line ends, into at most :data:`CHUNK_BYTES` unless a line is longer."""
    start = 0
    while len(data) - start > CHUNK_BYTES:
        end = data.rfind(b"\n", start, start + CHUNK_BYTES) + 1
        if not end:
            end = data.find(b"\n", start) + 1 or len(data)
        yield data[start:end]
        start = end
    if start < len(data):
        yield data[start:] if start else data


def _folded(piece: bytes) -> bytes:
    """A very long line without what carriage returns overwrite, as progress bars print it."""
    if len(piece) <= SHOWN_BYTES or b"\n" in piece[:-1] or b"\r" not in piece:
        return piece
    end = b"\n" if piece.endswith(b"\n") else b""
    return piece.rstrip(b"\r\n").rpartition(b"\r")[2] + end
