"""What the supervisor of an instance recorded on its node."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

Phase = Literal["running", "backoff", "ended", "stopped"]
HealthState = Literal["ok", "failing", "unknown"]


class Health(Struct, frozen=True):
    """What the prober wrote down of an attempt."""

    state: HealthState
    """Of the last answer; ``unknown``: it could not be asked."""
    failures: int
    """In a row."""
    alike: int
    """How many of these, the last ones, were for the same reason."""
    for_s: float | None
    """Seconds since when it is so, by the node's clock."""
    why: str
    """What was asked and what came back."""
    asks: bool
    """Whether the prober runs, and is not stopped."""


Wanted = Literal["end", "again", "began"]


class GroupWord(Struct, frozen=True):
    """What became of an instance because another one of its job had failed."""

    wanted: Wanted
    """It was ended; it was, and begins again with the others; it has begun again."""
    why: str
    """Which failed first, and how, as a clause."""


class BootWord(Struct, frozen=True):
    """What became of an instance that its node starts by itself, since that booted."""

    state: Literal["waiting", "failed"]
    """It is not started yet; it will not be."""
    why: str
    """As a clause."""


class Record(Struct, frozen=True):
    """What the supervisor recorded of an instance."""

    job: str
    instance: str
    run: str
    phase: Phase
    pid: int | None
    started_at: datetime | None
    """When the process of the present attempt began."""
    ended_at: datetime | None
    """When the last attempt ended: by the controller's clock if ``ended_error_s`` is known, else
    by the node's."""
    exit_code: int | None
    restarts: int
    ready: bool
    """A controller saw the ready condition met by the present attempt."""
    log_start: int | None = None
    """Offset in the log at which the output of the present attempt begins."""
    last_line: str = ""
    """What the last attempt printed last, if it ended with another exit code than 0."""
    searched: str = ""
    """How far the present attempt's log was searched for the ready line, in the format of
    :mod:`fleetctl.observe.conditions`; empty: not at all."""
    age_s: float | None = None
    """For how long the present attempt had run when its node was asked, by the node's own clock: so
    long at least. None: not known."""
    unasked: str = ""
    """Why its ready condition could not be asked, as a clause; empty: it could, or was not yet."""
    health: Health | None = None
    """Of the present attempt; None: nothing was written down."""
    ended_error_s: float | None = None
    """By how much ``ended_at`` may be wrong; None: how far the node's clock is off is not known."""
    words: tuple[str, ...] = ()
    """What its start added to the command."""
    unwell: str = ""
    """Why the prober ended the attempt: the last one, once another was begun or is waited for; this
    one, once the instance has ended for good. Empty: it did not."""
    asked_to_end: bool = False
    """It ended for good because a controller stops it, which may still be ending what is left."""
    group_word: GroupWord | None = None
    apart: str = ""
    """Why it could not be told that a member of its job has failed, as a clause; empty: it can."""
    at_boot: BootWord | None = None
    booted_since: bool | None = None
    """Whether its node was booted since this was written down; None: not known."""
