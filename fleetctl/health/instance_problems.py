"""Problems of instances: one per root cause, with what it affects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from fleetctl.health.failures import in_order_of_failure
from fleetctl.health.kinds.instances import (
    COMMAND_MISSING,
    DEPENDENCY_NOT_READY,
    PORT_NOT_LISTENING,
    SERVICE_CHANGED,
    SERVICE_CRASH_LOOP,
    SERVICE_FAILED,
    SERVICE_UNHEALTHY,
    WORKDIR_MISSING,
)
from fleetctl.health.member_failure import ended, ended_for
from fleetctl.health.port_problems import exposed, port_problem
from fleetctl.health.requirements import missing
from fleetctl.health.wording import wording
from fleetctl.model.facts import NodeFacts
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.plan import met, plan, waiting_for
from fleetctl.model.status import ALIVE_STATES, Fix, Problem, ServiceStatus
from fleetctl.model.topology import Fleet
from fleetctl.quantities import duration, listed

CRASH_LOOP_RESTARTS = 3
COMMAND_NOT_FOUND = 127
"""The exit code of a shell that does not find a command (POSIX, Shell Command Language, 2.8.2)."""


def service_problems(
    fleet: Fleet,
    job: Job,
    statuses: Mapping[str, ServiceStatus],
    facts: Mapping[str, NodeFacts],
    known: Sequence[Problem] = (),
) -> Iterator[Problem]:
    """What is wrong with the job's instances, root causes only.

    :param known: problems of the nodes, which explain why instances wait.
    """
    explained = {name for p in known if p.severity == "error" for name in p.affects}
    order = in_order_of_failure(job, statuses, facts)
    words = ended(job, facts)
    for instance in job.instances:
        status = statuses.get(instance.name)
        if status is None:
            continue
        for_it = ended_for(instance, words) if status.state == "failed" else ()
        if problem := _service_problem(job, instance, status, facts.get(instance.node), for_it):
            explained.update(problem.affects)
            if problem.code == SERVICE_FAILED.code and instance.name in order:
                problem = replace(problem, summary=f"{problem.summary}; {order[instance.name]}")
            yield problem
        known_facts = facts.get(instance.node)
        if known_facts and (open_too := exposed(fleet, job, instance, known_facts)):
            yield open_too
        if status.changed and status.state in ALIVE_STATES:
            yield SERVICE_CHANGED.problem(
                instance.node,
                instance=instance.name,
                evidence=f"hash of its definition in nodes.yaml: {instance.definition_hash}",
                affects=(instance.name,),
                fix=Fix((f"fleetctl restart {instance.name}",), "controller"),
            )
    some_wait = any(status.state == "waiting" for status in statuses.values())
    waiting = [
        step.instance
        for step in (plan(job, job.instances) if some_wait else ())
        if (status := statuses.get(step.instance.name)) and status.state == "waiting"
    ]
    for instance in waiting:
        if instance.name not in explained:
            why = statuses[instance.name].reason
            alike = [i.name for i in waiting if i.service == instance.service]
            others = [name for name in alike if statuses[name].reason == why]
            problem = _waiting_problem(job, instance, others, statuses)
            explained.update(problem.affects)
            yield problem


def _service_problem(
    job: Job,
    instance: Instance,
    status: ServiceStatus,
    facts: NodeFacts | None,
    ended: Sequence[str],
) -> Problem | None:
    """
    :param ended: the instances that ended because this one had failed first.
    """
    hit = tuple(dict.fromkeys((instance.name, *waiting_for(job, instance), *ended)))
    runs = facts is not None and status.state not in ("stopped", "unknown")
    if facts and runs and (problem := port_problem(instance, facts, hit)):
        return problem
    if status.state in ("stopped", "waiting") and (
        problem := _workplace_problem(job, instance, facts, hit)
    ):
        return problem
    logs = Fix((f"fleetctl logs {instance.name}",), "controller")
    if status.state == "failed":
        return _failed(instance, status, hit, logs, ended)
    if status.restarts >= CRASH_LOOP_RESTARTS and status.state in ("restarting", "running"):
        return SERVICE_CRASH_LOOP.problem(
            instance.node,
            instance=instance.name,
            restarts=status.restarts,
            evidence=status.reason or f"last exit code {status.exit_code}",
            affects=hit,
            fix=logs,
        )
    if unhealthy := _unhealthy(instance, status, facts, hit):
        return unhealthy
    if status.state == "running" and facts and _overdue(instance, status, facts):
        return _not_ready(instance, status, hit)
    return None


def _failed(
    instance: Instance,
    status: ServiceStatus,
    hit: Sequence[str],
    logs: Fix,
    ended: Sequence[str],
) -> Problem:
    evidence = f"exit code {status.exit_code}, {status.restarts} restarts"
    if status.exit_code == COMMAND_NOT_FOUND:
        what = f"{instance.name} failed: {status.reason}"
        return COMMAND_MISSING.problem(
            instance.node, what=what, evidence=evidence, affects=hit, fix=logs
        )
    last = f"; it printed last: {status.last_lines[-1]}" if status.last_lines else ""
    for_it = f"; on_member_failure stopped {listed(ended)} for it" if ended else ""
    return SERVICE_FAILED.problem(
        instance.node,
        instance=instance.name,
        what="failed",
        reason=f"{status.reason}{last}{for_it}",
        evidence=evidence,
        affects=hit,
        fix=logs,
    )


def _unhealthy(
    instance: Instance, status: ServiceStatus, facts: NodeFacts | None, hit: Sequence[str]
) -> Problem | None:
    """It runs, but does not do what ``liveness`` asks of it, or that cannot be asked."""
    asked, told = instance.liveness, status.liveness
    if asked is None or told is None:
        return None
    if status.state == "unhealthy":
        what = f"{instance.name} is unhealthy"
        if told.since and facts:
            what += f" for {duration((facts.measured_at - told.since).total_seconds())}"
    elif status.state == "running" and told.state == "unknown":
        what = f"whether {instance.name} works is not known"
    else:
        return None
    then = "is restarted for it" if asked.restart else "is not restarted for it"
    return SERVICE_UNHEALTHY.problem(
        instance.node,
        what=what,
        reason=told.reason,
        evidence=f"asked every {asked.interval_s:g} s on {instance.node}: {told.asked}; it {then}",
        affects=hit,
        fix=Fix((f"fleetctl restart {instance.name}",), "controller"),
    )


def _not_ready(instance: Instance, status: ServiceStatus, hit: Sequence[str]) -> Problem:
    evidence = status.reason or ""
    if instance.ready.kind == "listening":
        return PORT_NOT_LISTENING.problem(
            instance.node,
            instance=instance.name,
            timeout_s=instance.ready.timeout_s,
            reason=status.reason,
            evidence=evidence,
            affects=hit,
        )
    return SERVICE_FAILED.problem(
        instance.node,
        instance=instance.name,
        what=f"runs but is not ready after {instance.ready.timeout_s:g} s",
        reason=status.reason,
        evidence=evidence,
        affects=hit,
    )


def _workplace_problem(
    job: Job, instance: Instance, facts: NodeFacts | None, hit: Sequence[str]
) -> Problem | None:
    """The instance's working folder or program is missing."""
    place = facts.workplaces.get((job.name, instance.name)) if facts else None
    folder, where = instance.workdir or "~", instance.node
    if place is None or (place.workdir == "ok" and (place.interpreter or not instance.program)):
        return None
    if place.workdir == "ok" and facts and instance.program in missing(facts, job):
        return None  # told as what the job requires
    kind, evidence = WORKDIR_MISSING, f"cd {folder}: {place.workdir}"
    if place.workdir == "missing":
        what = f"{where} has no folder {folder}"
    elif place.workdir == "denied":
        what = f"{where} may not enter {folder}: {wording(facts).refuses_folder}"
    else:
        kind, evidence = COMMAND_MISSING, f"command -v {instance.program}: not found"
        what = f"{where} has no {instance.program} (looked for in {folder} and PATH)"
    what = f"{what}, so {instance.name} cannot start"
    return kind.problem(where, what=what, evidence=evidence, affects=hit)


def _waiting_problem(
    job: Job, instance: Instance, names: Sequence[str], statuses: Mapping[str, ServiceStatus]
) -> Problem:
    """``instance`` waits, and no other problem explains why.

    :param names: the instances of its service that wait, all for the same reason.
    """
    known = [(i, statuses[i.name]) for i in job.needs(instance) if i.name in statuses]
    states = {s.state for i, s in known if not met(i, s, instance.waits_until(i))}
    return DEPENDENCY_NOT_READY.problem(
        instance.node,
        severity="error" if "stopped" in states or "exited" in states else "warning",
        instances=", ".join(names),
        reason=statuses[instance.name].reason,
        affects=(*names, *waiting_for(job, instance)),
        fix=Fix(("fleetctl start",), "controller"),
    )


def _overdue(instance: Instance, status: ServiceStatus, facts: NodeFacts) -> bool:
    if status.started_at is None:
        return False
    return (facts.measured_at - status.started_at).total_seconds() > instance.ready.timeout_s
