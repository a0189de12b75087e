"""Events of followed logs, for the dashboard and the command line."""

from __future__ import annotations

from msgspec import Struct

from fleetctl.errors import LinkError
from fleetctl.logs.lines import TimeIndex

DEFAULT_LINES = 100


class Wanted(Struct, frozen=True):
    """Which past lines of a log are wanted."""

    lines: int | None = None
    """How many of the last; ``None``: :data:`DEFAULT_LINES`, or all since :attr:`since_s`."""
    since_s: float | None = None
    """Not older than this many seconds."""
    times: bool = True
    """Whether the times of lines are wanted."""

    @property
    def by_clock(self) -> bool:
        """Whether the nodes' clocks matter."""
        return self.times or self.since_s is not None


class PastLog(Struct, frozen=True):
    """The past lines of a log."""

    start: int
    """Offset of the first byte."""
    data: bytes
    """Whole lines, and an unfinished last one."""
    index: TimeIndex | None
    """When each line was written, by this machine's clock; None when not wanted."""
    ahead_s: float = 0.0
    """By how much the node's clock is ahead, for which times were corrected."""


class LogBatch(Struct, frozen=True):
    """Complete lines of one log, unchanged."""

    instance: str
    offset: int
    """The offset of the first byte in the log."""
    data: bytes
    came: float
    """When it was read, epoch seconds by this machine's clock."""
    at: float | None
    """When it was written, epoch seconds, to about a second; ``None``: not known."""


class LogNotice(Struct, frozen=True):
    """A notice that is not a line of the log, such as a lost node."""

    instance: str
    text: str
    came: float
    """Epoch seconds."""


class LogTail(Struct, frozen=True):
    """The unfinished last line of a log; replaced by the next one, and ended by the next
    :class:`LogBatch` of the instance."""

    instance: str
    text: str
    """Tidied, with colours; empty when there is none any more."""


LogEvent = LogBatch | LogNotice | LogTail


def sentence(error: LinkError) -> str:
    """What is wrong with a log's node, for a :class:`LogNotice`."""
    said = f"{error.reason}. {error.hint}".rstrip(". ")
    return said if said.endswith("?") else f"{said}."
