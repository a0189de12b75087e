"""All that was found out of a failure, as one value. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from fleetctl.health.assess import Checked
from fleetctl.logs.lines import LogLine
from fleetctl.logs.tidying import plain
from fleetctl.model.events import Event
from fleetctl.model.jobs import Job
from fleetctl.model.samples import Point, Series
from fleetctl.postmortem.ends import MARKER, Ended
from fleetctl.postmortem.kernel import Kernel
from fleetctl.postmortem.story import Story

_OF_THE_SHELL = ("Killed", "Terminated", "Hangup")
"""Printed by the shell that waited for it."""
LAST = 5
"""Last lines by which an end is judged."""


class History(Struct, frozen=True):
    """What was kept of the time around a failure."""

    events: Sequence[Event] = ()
    points: Mapping[Series, Sequence[Point]] = {}
    why_none: str = ""
    """Why nothing but what nodes noted is known, as a clause; empty: more is."""


class Collected(Struct, frozen=True):
    """A failure, or the present where nothing failed."""

    job: Job
    at: datetime
    """When it was asked."""
    around: datetime | None
    checked: Checked
    story: Story
    logs: Mapping[str, Sequence[LogLine]]
    """By instance: its last lines."""
    unread: Mapping[str, str]
    """By instance whose log could not be read: why."""
    kernels: Mapping[str, Kernel | str]
    """By node; a text: why it was not asked."""
    history: History
    plan: Sequence[str]
    """The lines of ``start --dry-run``."""
    clocks: Mapping[str, float]
    """By node whose times were corrected: by how many seconds its clock is ahead."""

    def last_lines(self, end: Ended) -> list[str]:
        """What it printed last before that end."""
        said: list[str] = []
        when = end.when
        latest_s = when.at.timestamp() + when.error_s + 1.0 if when else float("inf")
        for line in self.logs.get(end.instance, ()):
            text = plain(line.text).strip()
            if line.at is not None and line.at > latest_s:
                break
            if MARKER.match(text):
                near = when is None or line.at is None or latest_s - line.at <= 2 * when.error_s + 2
                if near and f"ended with exit code {end.exit_code}" in text:
                    break
                said = []  # of an attempt before
            elif text and text not in _OF_THE_SHELL and not text.startswith("fleetctl: "):
                said.append(text)
        return said[-LAST:]
