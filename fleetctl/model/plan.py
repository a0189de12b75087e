"""The order in which instances start and stop. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import assert_never

from msgspec import Struct

from fleetctl.model.jobs import Instance, Job, Until
from fleetctl.model.status import ALIVE_STATES, ServiceStatus


class PlanStep(Struct, frozen=True):
    """One instance of the plan."""

    instance: Instance
    needs: tuple[Instance, ...]
    """All instances that must be ready first, in the plan or not."""
    stage: int
    """0: starts at once; otherwise one more than the highest stage that it waits for."""


def plan(job: Job, chosen: Iterable[Instance]) -> tuple[PlanStep, ...]:
    """The steps for ``chosen``, by stage, within a stage in the order of nodes.yaml.

    Instances without a command, which are only watched, have a step too: others wait for them.
    """
    picked = {instance.name: instance for instance in chosen}
    stages: dict[str, int] = {}
    for service in _in_order(job):
        before = [stages[name] for name in job.services[service].after]
        stages[service] = max(before, default=-1) + 1
    started = {i.service for i in job.instances if i.name in picked}
    kept = sorted({stages[name] for name in started})
    steps = [
        PlanStep(
            picked[instance.name],
            job.needs(instance),
            kept.index(stages[instance.service]),
        )
        for instance in job.instances
        if instance.name in picked
    ]
    return tuple(sorted(steps, key=lambda step: step.stage))


def stop_order(job: Job, chosen: Iterable[Instance]) -> tuple[tuple[Instance, ...], ...]:
    """Groups to stop one after the other: dependents first."""
    stages: dict[int, list[Instance]] = {}
    for step in plan(job, chosen):
        stages.setdefault(step.stage, []).append(step.instance)
    return tuple(tuple(stages[stage]) for stage in sorted(stages, reverse=True))


def _in_order(job: Job) -> list[str]:
    """Service names, each after those that it waits for; the config reader rejects cycles."""
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


def met(need: Instance, status: ServiceStatus, until: Until = "ready") -> bool:
    """Whether instances that wait for ``need`` may start.

    :param until: what they wait for. What is started by hand counts as started once it is ready;
        an instance that runs once, or has no condition, is ready, too, when it has ended after its
        work.
    """
    match until:
        case "started" if need.command is not None:
            return status.state in ("running", "ready", "unhealthy", "exited")
        case "started" | "ready":
            done = status.state == "exited" and (need.once or need.ready.kind == "alive")
            return status.state == "ready" or done
        case "exited-ok":
            return status.state == "exited"
        case _:
            assert_never(until)


def waiting_for(job: Job, instance: Instance) -> tuple[str, ...]:
    """The instances that wait for the service of ``instance``, directly or through others."""
    return tuple(
        i.name for name in dependents(job, instance.service) for i in job.services[name].instances
    )


def carried(job: Job | None, node: str) -> tuple[str, ...]:
    """The instances on ``node``, and those that wait for them."""
    if job is None:
        return ()
    mine = job.on(node)
    return tuple(dict.fromkeys(name for i in mine for name in (i.name, *waiting_for(job, i))))


def unmet(
    waiting: Instance, needs: Iterable[Instance], known: Mapping[str, ServiceStatus]
) -> list[str]:
    """Those of ``needs`` that keep ``waiting`` from being started, each with its state:
    "server@mini1 is stopped"."""
    found = []
    for need in needs:
        until = waiting.waits_until(need)
        if need.name not in known or met(need, known[need.name], until):
            continue
        state = known[need.name].state
        ends = until == "exited-ok" and state in ALIVE_STATES
        found.append(f"{need.name} has not ended yet" if ends else f"{need.name} is {state}")
    return found
