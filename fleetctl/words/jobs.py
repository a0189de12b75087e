"""A job in one line: how many of its instances are in which state. Pure."""

from __future__ import annotations

from fleetctl.marks import mark
from fleetctl.model.status import JobStatus, ServiceState

_ORDER: tuple[ServiceState, ...] = (
    "ready",
    "failed",
    "unhealthy",
    "unknown",
    "restarting",
    "starting",
    "running",
    "waiting",
    "exited",
    "stopped",
)
"""What works, then what is wrong, then the rest."""


def job_parts(job: JobStatus) -> tuple[tuple[ServiceState, str], ...]:
    """Each state that an instance of ``job`` is in, and the words for it: "3/5 ready"."""
    counts = job.counts
    parts = [(state, f"{counts[state]} {state}") for state in _ORDER if state in counts]
    if "ready" in counts:
        parts[0] = ("ready", f"{counts['ready']}/{len(job.services)} ready")
    return tuple(parts)


def job_line(job: JobStatus) -> str:
    """The line, each state with its mark."""
    parts = job_parts(job)
    return ", ".join(f"{mark(s).symbol} {words}" for s, words in parts) or "no services"
