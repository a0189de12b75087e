"""How far the work of a job is, as a part of ``status --json``. Null: not known."""

from __future__ import annotations

from msgspec import Struct


class ProgressStatus(Struct, frozen=True):
    """How far one instance is, by what it prints."""

    step: int | None = None
    steps_per_s: float | None = None
    """From two steps and the times at which they were printed; else what it prints itself."""
    since_step_s: int | None = None
    """Seconds since the newest step was printed, by the node's own clock."""
    behind_steps: int | None = None
    """How many steps it is behind the median of its service; below zero: ahead of it. Null also
    where no other instance of its service prints steps."""
    loss: float | None = None
    """The newest; null also where it is not a finite number."""
    epoch: float | None = None
    tokens_per_s: float | None = None
    requests_per_s: float | None = None
    """Requests that a server answered, in the last half minute; else what it prints itself."""
    cpus_busy: float | None = None
    """How many processors its processes kept busy in the last seconds; null also in a single
    look."""
    reason: str | None = None
    """Why its step or rate is not known, or its loss is no number."""


class JobProgress(Struct, frozen=True):
    """How far the job is: by the service of which most instances print steps."""

    service: str | None = None
    """That service; null: none prints steps."""
    step: int | None = None
    """The furthest of its instances'."""
    steps_per_s: float | None = None
    """The median of its instances'."""
    loss: float | None = None
    """The median of the newest of its instances."""
    epoch: float | None = None
    """The furthest of its instances'."""
    tokens_per_s: float | None = None
    """Of the only instance of the job that prints it; null: of none, or several."""
    requests_per_s: float | None = None
    """Likewise."""
    reason: str | None = None
    """Why no step is known."""
