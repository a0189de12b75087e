"""What became of a signal, or of a text, that was meant for an instance."""

from __future__ import annotations

from msgspec import Struct


class Process(Struct, frozen=True):
    """A process on a node."""

    pid: int
    name: str
    """Of its program, as ``ps`` shows it."""


class Delivery(Struct, frozen=True):
    """What became of it, for one instance."""

    ok: bool | None
    """Whether it arrived; null: the connection broke, so it may have or not."""
    processes: tuple[Process, ...] = ()
    """The processes that got a signal."""
    reason: str | None = None
    """Why it did not arrive."""
