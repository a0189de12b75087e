"""The order of problems: by what they hit. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fleetctl.health.attachments import DataState, data_states
from fleetctl.health.kinds import connection
from fleetctl.model.jobs import Job
from fleetctl.model.plan import dependents
from fleetctl.model.status import FleetStatus, Problem
from fleetctl.model.topology import Fleet

_CONNECTION = frozenset(kind.code for kind in connection.KINDS)


def in_order(
    fleet: Fleet, job: Job | None, status: FleetStatus, problems: Sequence[Problem]
) -> tuple[Problem, ...]:
    """``problems``: first what stops the job, then other errors, then warnings; in each of these
    the cause that affects the most first, on all of its nodes together; then as they came.

    :param status: what nodes say of their networks.
    """
    if len(problems) < 2:
        return tuple(problems)
    data = data_states(fleet, job, status)
    needed = _needed(job) if job else {}
    hit: dict[tuple[str, str], set[str]] = {}
    for problem in problems:
        hit.setdefault((problem.code, problem.severity), set()).update(problem.affects)

    def place(problem: Problem) -> tuple[bool, bool, int, int]:
        error = problem.severity == "error"
        stops = error and job is not None and _stops(needed, data, problem)
        together = hit[problem.code, problem.severity]
        return not stops, not error, -len(together), -len(problem.affects)

    return tuple(sorted(problems, key=place))


def _stops(needed: Mapping[str, str], data: dict[str, DataState], problem: Problem) -> bool:
    """Whether it keeps an instance that the job needs from working.

    What only keeps this machine from asking a node does not, where others reach the node; nor does
    a network that the job does not use.

    :param needed: by name: the node of each instance that the job needs.
    """
    if problem.code in _CONNECTION and problem.node in data and data[problem.node].ok:
        return False
    if not needed.keys().isdisjoint(problem.affects):
        return True
    hosts = {problem.node, *problem.affects}.intersection(needed.values())
    return any(name in data and data[name].ok is False for name in hosts)


def _needed(job: Job) -> dict[str, str]:
    """The instances that the job needs, with their nodes: an elastic job goes on without some of
    those of a service that nothing waits for."""
    return {
        instance.name: instance.node
        for name, service in job.services.items()
        if not job.elastic or len(service.instances) == 1 or dependents(job, name)
        for instance in service.instances
    }
