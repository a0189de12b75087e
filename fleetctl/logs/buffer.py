"""The newest lines of several logs, in bounded memory. Pure.

What comes is kept as it came, in chunks of whole lines; a chunk is only looked into when its lines
are shown or searched (:mod:`fleetctl.logs.view`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from fleetctl.logs.events import LogBatch, LogEvent, LogNotice, LogTail
from fleetctl.logs.lines import SHOWN_BYTES

LIMIT_BYTES = 32 * 1024 * 1024
"""What all logs together may take."""
CHUNK_BYTES = 64 * 1024
"""A longer batch is cut, so that no single step of work takes long."""
_CHUNK_COST = 512
"""Bytes that a chunk takes besides its data, about."""


class Chunk:
    """Some successive lines of one log, or one mark. Never changes, but for its neighbours."""

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
        """Of its first byte in the log."""
        self.data = data
        self.at = at
        """Its place in time, epoch seconds; never before the chunk ahead of it in the same log."""
        self.written = written
        """When it was written, epoch seconds; ``None``: not known."""
        self.key = (at, number)
        """Chunks of all logs are shown in this order. The number counts what came."""
        self.mark = mark
        """What is shown instead of lines."""
        self.lines = 0 if mark else data.count(b"\n") + (not data.endswith(b"\n"))
        self.prev: Chunk | None = None
        """The one before in the same log."""
        self.next: Chunk | None = None
        self.gone = False
        """Whether it fell out of the buffer."""

    @property
    def cost(self) -> int:
        """Bytes of memory, about."""
        return len(self.data) + len(self.mark) + _CHUNK_COST

    @property
    def rows(self) -> int:
        """How many rows of a screen it takes, at least: its lines, or its mark."""
        return self.lines or 1


class Changes(Struct, frozen=True):
    """What taking events changed."""

    added: Sequence[Chunk] = ()
    gone: Sequence[Chunk] = ()
    tails: bool = False
    """Whether a line without end changed."""


class _Log:
    """One instance's chunks, oldest first."""

    def __init__(self) -> None:
        self.chunks: deque[Chunk] = deque()
        self.cost = 0
        self.fallen_lines = 0
        self.tail = ""


class LogBuffer:
    """Holds the newest lines of each of ``names``.

    Beyond ``limit_bytes`` in total, the oldest lines of whichever log takes most go first; so one
    that talks much never pushes out a quiet one's.
    """

    def __init__(self, names: Iterable[str], limit_bytes: int = LIMIT_BYTES) -> None:
        self._logs = {name: _Log() for name in names}
        self._limit_bytes = limit_bytes
        self._cost = 0
        self.number = 0
        """Of the newest chunk."""

    @property
    def names(self) -> Sequence[str]:
        return tuple(self._logs)

    def chunks(self, name: str) -> Iterable[Chunk]:
        """Of one log, oldest first."""
        return self._logs[name].chunks

    def fallen_lines(self, name: str) -> int:
        """How many lines fell out at the old end."""
        return self._logs[name].fallen_lines

    def begins_late(self, name: str) -> bool:
        """Whether the log has older lines than are held."""
        first = next((chunk for chunk in self._logs[name].chunks if not chunk.mark), None)
        return first is not None and first.offset > 0

    def tail(self, name: str) -> str:
        """The last line while it has no end; empty when there is none."""
        return self._logs[name].tail

    def take(self, events: Iterable[LogEvent]) -> Changes:
        """Add what came. Events of an instance that is not one of the buffer's are left out."""
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
                    # a node's clock may be ahead, but nothing was written after it was read
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
                break  # the newest stays, however long its line
            chunk = log.chunks.popleft()
            chunk.gone = True
            if chunk.next:  # nobody who still shows this one holds all that followed
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
    """Small batches that follow on each other, of one log and the same time, as one."""
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
    """Whole lines, of at most :data:`CHUNK_BYTES` where none is longer."""
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
    """A very long line without what a terminal would have drawn over: bars redraw for hours."""
    if len(piece) <= SHOWN_BYTES or b"\n" in piece[:-1] or b"\r" not in piece:
        return piece
    end = b"\n" if piece.endswith(b"\n") else b""
    return piece.rstrip(b"\r\n").rpartition(b"\r")[2] + end
