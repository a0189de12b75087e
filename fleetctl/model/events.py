"""What happened in the fleet: changes of state, actions of controllers, with their cause."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

EventKind = Literal["node", "instance", "problem", "action", "note"]
"""``action``: a controller was told to do something; ``note``: of the observer itself."""


class Actor(Struct, frozen=True):
    """Which controller did something, and for whom."""

    user: str
    host: str
    """The name of the controller's machine."""
    command: str
    """As it was typed, without secrets."""


class Event(Struct, frozen=True):
    """One change or action."""

    at: datetime
    """When it happened, by the controller's clock, as far as that is known."""
    state: str
    """The new state, a word that :mod:`fleetctl.marks` knows."""
    text: str
    kind: EventKind = "note"
    subject: str = ""
    """What it is about: a node, an instance, a job; empty: the fleet."""
    node: str | None = None
    job: str | None = None
    code: str = ""
    """Of a problem; empty: it is none."""
    cause: str = ""
    """Why, as a clause; empty: the text says it, or it is not known."""
    by: Actor | None = None
    """Who asked for it; None: nobody, or that is not known."""
    until: datetime | None = None
    """When what began with it was over; None: it goes on, has no length, or that is not known."""
    key: str = ""
    """The same for one thing that is told by several: the store keeps it once. Empty: made of time,
    kind, subject and text."""
