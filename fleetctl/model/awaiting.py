"""Whether instances are what ``fleetctl wait`` waits for, or can no longer become so. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Literal, assert_never

from fleetctl.model.jobs import Instance, Job
from fleetctl.model.plan import met
from fleetctl.model.status import ServiceStatus

Aim = Literal["ready", "healthy", "stopped", "exited"]
Standing = Literal["so", "not yet", "never"]
"""``never``: only another start would make it so."""


def standing(
    job: Job,
    instance: Instance,
    statuses: Mapping[str, ServiceStatus],
    aim: Aim,
    left: Collection[str] = (),
) -> Standing:
    """How ``instance`` stands to ``aim``. What is unknown is not yet anything.

    :param statuses: of all instances of ``job``.
    :param left: instances that ended, of which processes still run.
    """
    status = statuses[instance.name]
    match aim:
        case "ready" | "healthy":
            if status.state == "exited" or (status.state == "ready" and _works(status, aim)):
                return "so"
            lost = status.state == "failed" or _held_up(job, instance, statuses)
            return "never" if lost else "not yet"
        case "stopped":
            ended = status.state in ("stopped", "waiting", "exited", "failed")
            return "so" if ended and instance.name not in left else "not yet"
        case "exited":
            if status.state == "exited" or (status.state == "failed" and status.exit_code):
                return "so"
            lost = status.state == "failed" or _held_up(job, instance, statuses)
            return "never" if lost else "not yet"
        case _:
            assert_never(aim)


def exit_code(statuses: Iterable[ServiceStatus]) -> int:
    """The exit code of a job whose instances have ended: the first that is not 0, else 0."""
    return next((status.exit_code for status in statuses if status.exit_code), 0)


def _works(status: ServiceStatus, aim: Aim) -> bool:
    return aim == "ready" or status.liveness is None or status.liveness.state == "ok"


def _held_up(job: Job, instance: Instance, statuses: Mapping[str, ServiceStatus]) -> bool:
    """Whether it does not run, and something that it starts after has ended without what it waits
    for, or is held up itself; of an elastic job, all instances of a service."""
    if statuses[instance.name].state not in ("stopped", "waiting"):
        return False

    def lost(need: Instance) -> bool:
        status = statuses[need.name]
        if status.state in ("failed", "exited"):
            return not met(need, status, instance.waits_until(need))
        return _held_up(job, need, statuses)

    several = all if job.elastic else any
    return any(several(map(lost, job.services[name].instances)) for name in instance.after)
