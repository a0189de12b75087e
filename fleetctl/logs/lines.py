"""From the bytes of a log to lines that are safe and readable on a terminal. Pure."""

from __future__ import annotations

import bisect
from collections.abc import Iterable

from msgspec import Struct

from fleetctl.logs.tidying import needs_work, read, tidy

MAX_LINE_BYTES = 4 * 1024 * 1024
"""The most that is kept of an unfinished line; a program may never end one."""


SHOWN_BYTES = 64 * 1024
"""The most that a screen shows of a line."""


READ_CHARACTERS = 400
"""The most of a line that is shown beside something else."""


class LogLine(Struct, frozen=True):
    """One line of one instance's log."""

    instance: str
    offset: int
    """The offset of its first byte in the log."""
    text: str
    at: float | None = None
    """When it was written, epoch seconds, to about a second; ``None``: not known."""


def read_last(data: bytes, count: int) -> tuple[str, ...]:
    """The last ``count`` lines of ``data`` as a person reads them, without blank ones after them;
    each cut after :data:`READ_CHARACTERS`."""
    lines = [read(line).expandtabs().rstrip() for line in data.split(b"\n")]
    while lines and not lines[-1]:
        del lines[-1]
    long = READ_CHARACTERS
    return tuple(line[: long - 1] + "…" if len(line) > long else line for line in lines[-count:])


def shown(line: bytes) -> str:
    """One line's text after :func:`tidy`, cut after :data:`SHOWN_BYTES`."""
    if len(line) <= SHOWN_BYTES:
        return tidy(line).decode("utf-8", "replace")
    line = line.rstrip(b"\r").rpartition(b"\r")[2]
    missing = len(line) - SHOWN_BYTES
    if missing <= 0:
        return tidy(line).decode("utf-8", "replace")
    text = tidy(line[:SHOWN_BYTES]).decode("utf-8", "replace")
    return f"{text}\x1b[0m… {missing:,} more bytes"


def tidy_lines(data: bytes) -> bytes:
    """Complete lines, tidied; much faster than line by line when there is nothing to tidy."""
    data = data.replace(b"\r\n", b"\n")
    if not needs_work(data):
        return data
    return b"\n".join(map(tidy, data.split(b"\n")))


class Framer:
    """Cuts a stream of bytes into complete lines; keeps an unfinished last one."""

    def __init__(self, offset: int) -> None:
        self.offset = offset
        """The offset of the first byte that was not returned yet."""
        self._torn = bytearray()

    def feed(self, data: bytes) -> tuple[int, bytes]:
        """Add ``data``; returns the offset of the complete lines so far, and these lines.

        A line longer than :data:`MAX_LINE_BYTES` is returned in pieces.
        """
        end = data.rfind(b"\n") + 1
        if not end and len(self._torn) + len(data) > MAX_LINE_BYTES:
            end = len(data)
        if not end:
            self._torn += data
            return self.offset, b""
        whole, start = bytes(self._torn + data[:end]), self.offset
        self._torn = bytearray(data[end:])
        self.offset += len(whole)
        return start, whole

    @property
    def position(self) -> int:
        """The offset of the next byte to feed."""
        return self.offset + len(self._torn)

    @property
    def last_line(self) -> bytes:
        """The unfinished line after its last carriage return, cut after :data:`SHOWN_BYTES`."""
        torn = self._torn
        end = len(torn)
        while end and torn[end - 1] == 0x0D:
            end -= 1
        start = torn.rfind(b"\r", 0, end) + 1
        return bytes(torn[start : min(end, start + SHOWN_BYTES)])

    def jump(self, offset: int) -> None:
        """Go on at ``offset``, and drop the unfinished line."""
        self.offset, self._torn = offset, bytearray()


class TimeIndex:
    """When a log had which size: the lines "SECOND OFFSET" that the logger writes.

    :param ahead_s: by how much the clock is ahead that the seconds are of.
    """

    def __init__(self, text: str, ahead_s: float = 0.0) -> None:
        self._ahead_s = ahead_s
        pairs = [line.split() for line in text.splitlines()]
        known = sorted(
            (int(p[1]), int(p[0])) for p in pairs if len(p) == 2 and all(map(_digits, p))
        )
        self._offsets = [offset for offset, _ in known]
        self._seconds = [second for _, second in known]

    def at(self, end_offset: int) -> float | None:
        """The moment, in seconds since the epoch, by which the log had grown to ``end_offset``."""
        place = bisect.bisect_left(self._offsets, end_offset)
        return self._seconds[place] - self._ahead_s if place < len(self._seconds) else None


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def log_lines(
    instance: str, start: int, data: bytes, at: TimeIndex | float | None
) -> Iterable[LogLine]:
    """The lines in ``data``, which begins at the offset ``start``."""
    offset = start
    for line in data.removesuffix(b"\n").split(b"\n") if data else ():
        end = offset + len(line) + 1
        when = at.at(min(end, start + len(data))) if isinstance(at, TimeIndex) else at
        yield LogLine(instance, offset, tidy(line).decode("utf-8", "replace"), when)
        offset = end
