"""Instances that ended early, while the others of their service go on. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fleetctl.health.kinds.instances import SERVICE_ENDED_EARLY
from fleetctl.model.facts import NodeFacts
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.plan import dependents
from fleetctl.model.status import Fix, Problem, ServiceStatus

EARLY_S = 30.0
"""Instances that end within this time of one another end together."""
_GOES_ON = ("running", "ready")


def uneven(
    job: Job,
    statuses: Mapping[str, ServiceStatus],
    facts: Mapping[str, NodeFacts],
) -> Iterator[Problem]:
    """The problems of instances that ended while others of their service go on."""
    for service in job.services.values():
        going = [i for i in service.instances if _state(statuses, i) in _GOES_ON]
        for instance in service.instances:
            if not going or _state(statuses, instance) != "exited":
                continue  # one that ended is not among those that go on
            if _ended_early(job, instance, facts.get(instance.node)):
                yield _early(instance, going)


def _state(statuses: Mapping[str, ServiceStatus], instance: Instance) -> str:
    status = statuses.get(instance.name)
    return status.state if status else "unknown"


def _ended_early(job: Job, instance: Instance, facts: NodeFacts | None) -> bool:
    """What others start after and need not run on, such as a download, may end when it likes."""
    if instance.once or (instance.ready.kind == "alive" and dependents(job, instance.service)):
        return False
    record = facts.records.get((instance.job, instance.name)) if facts else None
    if facts is None or record is None or record.ended_at is None:
        return False
    return (facts.measured_at - record.ended_at).total_seconds() > EARLY_S


def _early(instance: Instance, others: Sequence[Instance]) -> Problem:
    names = ", ".join(i.name for i in others)
    return SERVICE_ENDED_EARLY.problem(
        instance.node,
        instance=instance.name,
        others=names,
        verb="runs" if len(others) == 1 else "run",
        evidence=f"exit code 0; still running: {names}",
        affects=(instance.name,),
        fix=_logs(instance),
    )


def _logs(instance: Instance) -> Fix:
    return Fix((f"fleetctl logs {instance.name}",), "controller")
