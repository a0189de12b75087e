"""Which instances wait for others, and which are stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from fleetctl.model.jobs import Instance, Job
from fleetctl.model.look import Look
from fleetctl.model.plan import met, plan, unmet
from fleetctl.model.status import ALIVE_STATES, ServiceStatus


def with_waiting(
    job: Job, statuses: Mapping[str, ServiceStatus], looks: Mapping[str, Look]
) -> dict[str, ServiceStatus]:
    """Tell "waiting" from "stopped".

    An instance waits if it does not run while others of its job do, because one that it starts
    after is not ready: ``start`` would not start it yet either. If it was stopped after those
    started, it is stopped.
    """
    active = any(s.state in ALIVE_STATES or s.state == "failed" for s in statuses.values())
    found = dict(statuses)
    if not active or not any(status.state == "stopped" for status in statuses.values()):
        return found
    for instance in (step.instance for step in plan(job, job.instances)):
        status = found[instance.name]
        if status.state != "stopped" or instance.command is None:
            continue
        needs = job.needs(instance)
        missing = unmet(instance, needs, found)
        blocked = any(
            not met(need, found[need.name], instance.waits_until(need))
            and found[need.name].state != "stopped"
            for need in needs
        )
        if blocked and not _stopped_since(instance, looks[instance.node], needs, found):
            found[instance.name] = replace(status, state="waiting", reason=", ".join(missing))
    return found


def _stopped_since(
    instance: Instance,
    look: Look,
    needs: Sequence[Instance],
    statuses: Mapping[str, ServiceStatus],
) -> bool:
    record = look.facts.records.get((instance.job, instance.name)) if look.facts else None
    if record is None or record.phase != "stopped" or record.ended_at is None:
        return False
    started = [s.started_at for i in needs if (s := statuses.get(i.name)) and s.started_at]
    return any(record.ended_at >= moment for moment in started)
