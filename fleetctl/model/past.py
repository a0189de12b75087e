"""What a node noted while nobody watched."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from fleetctl.errors import LinkError
from fleetctl.model.events import Event


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


class PastOfNode(Struct, frozen=True):
    """What one node noted, as events by the controller's clock."""

    events: tuple[Event, ...] = ()
    """In the order of time."""
    error: LinkError | None = None
    """Why it could not be asked; ask again when it is back."""
