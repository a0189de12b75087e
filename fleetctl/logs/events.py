"""What happens to the logs of several instances, as the dashboard and the command line take it."""

from __future__ import annotations

from msgspec import Struct


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


class LogMark(Struct, frozen=True):
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


LogEvent = LogBatch | LogMark | LogTail
