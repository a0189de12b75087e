"""Whether a running instance works, by what its prober on the node wrote down."""

from __future__ import annotations

from datetime import datetime, timedelta

from fleetctl.model.liveness import Liveness
from fleetctl.model.records import Health
from fleetctl.model.status import LivenessState, LivenessStatus
from fleetctl.quantities import in_a_row

FIRST_ANSWER_S = 30.0
"""After the first interval, until something must have been written down: busy nodes are slow."""


def liveness_status(
    asked: Liveness, health: Health | None, *, age_s: float, changed: bool, now: datetime
) -> LivenessStatus:
    """What is known of a running attempt.

    :param age_s: since when the attempt runs.
    :param changed: it was started with another definition, perhaps without this question.
    :param now: the moment of which the facts are.
    """
    state, reason = _judged(asked, health, age_s, changed)
    since = None
    if health and health.asks and health.for_s is not None:
        since = now - timedelta(seconds=health.for_s)
    return LivenessStatus(
        asked=asked.question,
        state=state,
        failures=health.failures if health else 0,
        since=since,
        reason=reason,
    )


def _judged(
    asked: Liveness, health: Health | None, age_s: float, changed: bool
) -> tuple[LivenessState, str]:
    if health is None:
        if changed:
            return "pending", "it was started with another definition"
        if age_s <= asked.interval_s + FIRST_ANSWER_S:
            return "pending", "it was not asked yet"
        return "unknown", "its prober has written nothing down"
    if not health.asks:
        return "unknown", "its prober does not run"
    match health.state:
        case "ok" | "unknown":
            return health.state, health.why
        case "failing":
            said = in_a_row(health.why, health.failures, health.alike)
            return ("failing" if health.failures >= asked.failures else "pending"), said
