"""The search of a log for the line of a ``ready: log``."""

from __future__ import annotations

import asyncio
import time
import zlib

from fleetctl.errors import UsageError
from fleetctl.link.protocol import Link
from fleetctl.logs.matching import PATIENCE_S, Pattern
from fleetctl.logs.segments import PIECE_BYTES, LogLocation, LogReader
from fleetctl.logs.tidying import read
from fleetctl.model.records import Record
from fleetctl.observe.asking import Unasked

SEARCH_S = 1.0
"""Longest search of a log at once, of one piece at least; the next call continues it."""
LAST_LINE_BYTES = 64 * 1024
"""How much of an unfinished line is kept, to be searched together with what follows."""
_LINES_AT_ONCE = 1000
"""After so many lines the search lets other tasks run."""


class LogSearch:
    """Looks for a line that matches a regular expression, in the log of one attempt.

    Each byte is read once; a last line without an end is searched again when it has grown.
    """

    def __init__(self, fleet: str, pattern: str, record: Record) -> None:
        try:
            self._pattern = Pattern(pattern)
        except UsageError as error:
            raise Unasked(f"its ready.log is {error}") from None
        self._digest = f"{zlib.crc32(pattern.encode('utf-8', 'surrogateescape')):08x}"
        place = LogLocation(fleet, record.job, record.instance)
        self._reader = LogReader(place, self._start(record))
        self._last_line = b""
        self._met = False
        """A line matched; kept, since the link may be lost before that is noted on the node."""

    def _start(self, record: Record) -> int:
        """Where the last search for the same expression ended; else where the attempt begins."""
        offset, _, digest = record.searched.partition(" ")
        if digest == self._digest and offset.isascii() and offset.isdigit():
            return int(offset)
        return record.log_start or 0

    @property
    def progress(self) -> str:
        """The offset before which no line matches, and a digest of the expression."""
        return f"{self._reader.offset - len(self._last_line)} {self._digest}"

    async def found(self, link: Link) -> bool:
        """Search what is new; whether a line matches, now or at an earlier call.

        :raises LinkError: the node is lost, or the log cannot be read.
        :raises Unasked: the expression takes too long.
        """
        deadline = time.monotonic() + SEARCH_S
        while not self._met:
            begin = self._reader.offset
            data = await self._reader.more(link)
            if self._reader.offset - len(data) != begin:
                self._last_line = b""  # what followed it was rotated away
            self._met = bool(data) and await self._matches(data)
            if len(data) < PIECE_BYTES or time.monotonic() > deadline:
                break
        return self._met

    async def _matches(self, data: bytes) -> bool:
        *lines, last_line = (self._last_line + data).split(b"\n")
        for place in range(0, len(lines), _LINES_AT_ONCE):
            if any(map(self._matches_line, lines[place : place + _LINES_AT_ONCE])):
                return True
            await asyncio.sleep(0)
        self._last_line = last_line[-LAST_LINE_BYTES:]
        return self._matches_line(last_line)

    def _matches_line(self, line: bytes) -> bool:
        """Whether it matches as a person reads it; of a line that redraws itself, each state.

        :raises Unasked: the expression takes too long.
        """
        found = any(self._pattern.search(read(one)) for one in line.rstrip(b"\r").split(b"\r"))
        if self._pattern.gave_up:
            raise Unasked(
                f"its ready.log takes more than {PATIENCE_S:g} s on one line, and may take for "
                "ever: repeat nothing that is a repetition itself, as in (a|aa)+"
            )
        return found
