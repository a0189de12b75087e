"""What starts after what. Pure: from a job and a choice of instances to a plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from fleetctl.model.jobs import Instance, Job
from fleetctl.model.status import ServiceStatus


class PlanStep(Struct, frozen=True):
    """One instance of the plan."""

    instance: Instance
    needs: tuple[Instance, ...]
    """Every instance that must be ready first, whether the plan starts it or not."""
    stage: int
    """0: starts at once; otherwise one more than the highest stage it waits for."""


def plan(job: Job, chosen: Iterable[Instance]) -> tuple[PlanStep, ...]:
    """The steps for ``chosen``, by stage, within a stage in file order.

    What is watched but not started by us (no command) has a step too: others wait for it.
    """
    picked = {instance.name for instance in chosen}
    stages: dict[str, int] = {}
    for service in _in_order(job):
        before = [stages[name] for name in job.services[service].after]
        stages[service] = max(before, default=-1) + 1
    started = {i.service for i in job.instances if i.name in picked}
    kept = sorted({stages[name] for name in started})
    steps = [
        PlanStep(
            instance,
            job.needs(instance),
            kept.index(stages[instance.service]),
        )
        for instance in job.instances
        if instance.name in picked
    ]
    return tuple(sorted(steps, key=lambda step: step.stage))


def stop_order(job: Job, chosen: Iterable[Instance]) -> tuple[tuple[Instance, ...], ...]:
    """Groups to stop one after the other: dependents before what they depend on."""
    stages: dict[int, list[Instance]] = {}
    for step in plan(job, chosen):
        stages.setdefault(step.stage, []).append(step.instance)
    return tuple(tuple(stages[stage]) for stage in sorted(stages, reverse=True))


def _in_order(job: Job) -> list[str]:
    """Service names so that each comes after what it waits for; the config has no circles."""
    done: list[str] = []

    def visit(name: str) -> None:
        if name not in done:
            for before in job.services[name].after:
                visit(before)
            done.append(name)

    for name in job.services:
        visit(name)
    return done


def dependents(job: Job, service: str) -> tuple[str, ...]:
    """Services that wait for ``service``, directly or through others, in file order."""
    found: set[str] = set()
    grew = True
    while grew:
        more = {
            name
            for name, other in job.services.items()
            if name not in found and any(a == service or a in found for a in other.after)
        }
        found |= more
        grew = bool(more)
    return tuple(name for name in job.services if name in found)


def met(need: Instance, status: ServiceStatus) -> bool:
    """Whether what starts after ``need`` may start: it is ready, or did its work and is done."""
    return status.state == "ready" or (status.state == "exited" and need.ready.kind == "alive")


def unmet(needs: Iterable[Instance], known: Mapping[str, ServiceStatus]) -> list[str]:
    """Of ``needs``, those that are not met, each with its state: "server@mini1 is stopped"."""
    return [
        f"{i.name} is {known[i.name].state}"
        for i in needs
        if i.name in known and not met(i, known[i.name])
    ]
