"""Measured values that are kept over time."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from fleetctl.model.status import ServiceState

SeriesKind = Literal["link", "node", "instance", "job"]

METRICS: dict[SeriesKind, tuple[str, ...]] = {
    "link": ("rtt_ms", "jitter_ms", "loss_percent"),
    "node": (
        "load1",
        "cpu_percent",
        "memory_percent",
        "temperature_c",
        "throttled",
        "disk_free_bytes",
        "net_in_bytes_per_s",
        "net_out_bytes_per_s",
        "clock_offset_s",
        "reachable",
    ),
    "instance": (
        "state",
        "ready",
        "restarts",
        "step",
        "steps_per_s",
        "loss",
        "tokens_per_s",
        "requests_per_s",
    ),
    "job": ("ready", "step", "steps_per_s", "loss", "tokens_per_s", "requests_per_s"),
}
"""What is kept of each kind; units are in the names. ``reachable``, ``ready`` and ``throttled`` are
1 or 0, those of a job count its instances; ``state`` is a place in :data:`INSTANCE_STATES`;
``jitter_ms`` is the standard deviation of a round trip."""

INSTANCE_STATES: tuple[ServiceState, ...] = (
    "ready",
    "exited",
    "running",
    "starting",
    "waiting",
    "stopped",
    "restarting",
    "unhealthy",
    "unknown",
    "failed",
)
"""From the best to the worst, so that the highest of a stretch of time is its worst state. Files
keep these numbers: a new state comes last."""


class Series(Struct, frozen=True, order=True):
    """One value of one thing over time."""

    kind: SeriesKind
    subject: str
    """A node, ``JOB/SERVICE@NODE``, a job, or for a link ``FROM:TO/NETWORK``: echo requests of node
    FROM to the address of node TO on NETWORK."""
    metric: str
    """One of :data:`METRICS`."""


class Sample(Struct, frozen=True):
    """A value at the time of a look."""

    series: Series
    value: float


class Point(Struct, frozen=True, gc=False):
    """The samples of one stretch of time."""

    at_s: float
    """Its begin, in seconds since 1970."""
    length_s: float
    count: int
    low: float
    mean: float
    high: float
