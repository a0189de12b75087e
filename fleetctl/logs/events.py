"""What happens to the logs of several instances, as the dashboard and the command line take it."""

from __future__ import annotations

from msgspec import Struct

from fleetctl.errors import LinkError
from fleetctl.logs.lines import TimeIndex

DEFAULT_LINES = 100


class Wanted(Struct, frozen=True):
    """Which part of a log's past."""

    lines: int | None = None
    """The last ones; ``None``: :data:`DEFAULT_LINES`, or all since :attr:`since_s`."""
    since_s: float | None = None
    """Not older than this many seconds."""
    times: bool = True
    """Whether anybody asks when a line was written."""


class PastLog(Struct, frozen=True):
    """What a log holds already."""

    start: int
    """Offset of the first byte."""
    data: bytes
    """Also a last line without end."""
    index: TimeIndex | None
    """When which line was written; None where nobody asked."""


class LogBatch(Struct, frozen=True):
    """Complete lines of one log, as they are in it."""

    instance: str
    offset: int
    """Of the first byte in the log."""
    data: bytes
    came: float
    """When it was read, epoch seconds by this machine's clock."""
    at: float | None
    """When it was written, epoch seconds, to about a second; ``None``: not known."""


class LogNotice(Struct, frozen=True):
    """Something that is no line of the log, such as a node that was lost."""

    instance: str
    text: str
    came: float
    """Epoch seconds."""


class LogTail(Struct, frozen=True):
    """The last line of a log while it has no end yet; it replaces the one before, and the next
    :class:`LogBatch` of the instance ends it."""

    instance: str
    text: str
    """Tidied, with its colours; empty when there is none any more."""


LogEvent = LogBatch | LogNotice | LogTail


def sentence(error: LinkError) -> str:
    """What is wrong with a log's node, as the text of a mark."""
    return f"{error.reason}. {error.hint}".rstrip(". ") + "."
