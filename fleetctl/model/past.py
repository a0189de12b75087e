"""What a node noted while nobody watched."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class PastLine(Struct, frozen=True):
    """One begin or end of an attempt, by the node's clock."""

    job: str
    instance: str
    what: Literal["start", "end"]
    at_s: float
    """Seconds since 1970."""
    run: str
    restarts: int
    exit_code: int | None = None


class Past(Struct, frozen=True):
    """What a node noted, by its own clock."""

    lines: tuple[PastLine, ...] = ()
    """In the order of time."""
    booted_s: float | None = None
    """Seconds since 1970; None: not known."""
    boot: str = ""
    """Differs from boot to boot; empty: the system has no such word."""
