"""What happened in the fleet: changes of state, actions of controllers, with their cause."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

from fleetctl.quantities import duration

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
    """Why, as a clause, which the text may say, too; empty: it is not known, or there is none."""
    by: Actor | None = None
    """Who asked for it; None: nobody, or that is not known."""
    until: datetime | None = None
    """When what began with it was over; None: it goes on, has no length, or that is not known."""
    key: str = ""
    """The same for one thing that is told by several: the store keeps it once. Empty: made of time,
    kind, subject and text."""
    affects: tuple[str, ...] = ()
    """What else changed by it: nodes, instances."""
    end: str = ""
    """How what began with it was over, as a clause: "reached again"."""
    action: str = ""
    """Of an action: what was done, such as ``start``."""
    part_of: str = ""
    """The key of the event of which this turned out to be a part, and with which it is told; empty:
    it is told by itself."""

    @property
    def about(self) -> str:
        """Its subject, as the text has it: an instance whose name another job has, too, is called
        ``JOB/SERVICE@NODE``."""
        apart = f"{self.job}/{self.subject}"
        return apart if self.job and apart in self.text else self.subject

    @property
    def over(self) -> str:
        """How it was over and after which time, as a clause; empty: it is not, or has no length."""
        if self.until is None or not self.end:
            return ""
        return f"{self.end} after {duration((self.until - self.at).total_seconds())}"
