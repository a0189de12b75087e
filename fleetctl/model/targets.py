"""The TARGETs of the command line: nodes, services, instances, or patterns of these."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from fleetctl.errors import UsageError
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.topology import Fleet

ALL_JOBS = "all"
"""In place of a job's name: every job of nodes.yaml. A job that is called so comes first."""
_SEVERAL = "start, stop, restart, status, wait, signal, top, open, logs, check and serve"
"""The commands that take it."""


def choose_job(fleet: Fleet, name: str | None) -> Job | None:
    """The job called ``name``; by default the first one, or ``None`` if there is no job.

    :raises UsageError: there is no job of that name.
    """
    if name is None:
        return next(iter(fleet.jobs.values()), None)
    if name == ALL_JOBS and name not in fleet.jobs:
        raise UsageError(
            "this is done for one job at a time",
            hint=f"--job all is for {_SEVERAL}. {_nearest('', list(fleet.jobs))}",
        )
    if name not in fleet.jobs:
        raise UsageError(f"there is no job {name!r}", hint=_nearest(name, list(fleet.jobs)))
    return fleet.jobs[name]


def choose_instances(fleet: Fleet, job: Job | None, targets: Sequence[str]) -> list[Instance]:
    """The instances of ``job`` that ``targets`` name; without targets all of them.

    A node without instances of the job chooses none.

    :raises UsageError: a target matches nothing that is in nodes.yaml.
    """
    instances = list(job.instances) if job else []
    if not targets:
        return instances
    chosen = {
        i.name
        for target in targets
        for i in instances
        if any(fnmatchcase(name, target) for name in (i.node, i.service, i.name))
    }
    for target in unknown_targets(fleet, job, targets):
        raise unknown_target(fleet, job, target)
    return [i for i in instances if i.name in chosen]


def choose_in_each(
    fleet: Fleet, jobs: Sequence[Job | None], targets: Sequence[str]
) -> list[list[Instance]]:
    """For each of ``jobs`` its instances that ``targets`` name; without targets all of them.

    :raises UsageError: a target matches nothing in any of the jobs.
    """
    chosen, nowhere = known_in_each(fleet, jobs, targets)
    if nowhere:
        raise unknown_target(fleet, jobs[0], nowhere[0])
    return chosen


def known_in_each(
    fleet: Fleet, jobs: Sequence[Job | None], targets: Sequence[str]
) -> tuple[list[list[Instance]], list[str]]:
    """As :func:`choose_in_each`, and the targets that match nothing in any of ``jobs``."""
    strange = [set(unknown_targets(fleet, job, targets)) for job in jobs]
    chosen = []
    for job, unknown in zip(jobs, strange, strict=True):
        known = [target for target in targets if target not in unknown]
        chosen.append(choose_instances(fleet, job, known) if known or not targets else [])
    return chosen, [t for t in targets if all(t in unknown for unknown in strange)]


def unknown_targets(fleet: Fleet, job: Job | None, targets: Sequence[str]) -> list[str]:
    """The ``targets`` that match nothing that is in nodes.yaml."""
    names = _names(fleet, job)
    return [t for t in targets if not any(fnmatchcase(name, t) for name in names)]


def unknown_target(fleet: Fleet, job: Job | None, target: str) -> UsageError:
    """The error for a target that matches nothing."""
    nearest = _nearest(target, _names(fleet, job))
    return UsageError(f"{target!r} is no node, service or instance", hint=nearest)


def _names(fleet: Fleet, job: Job | None) -> list[str]:
    instances = job.instances if job else ()
    return [*fleet.nodes, *(job.services if job else ()), *(i.name for i in instances)]


def choose_nodes(fleet: Fleet, jobs: Sequence[Job | None], targets: Sequence[str]) -> list[str]:
    """The nodes that ``targets`` name, directly or by what runs on them of one of ``jobs``; without
    targets all.

    :raises UsageError: a target matches nothing that is in nodes.yaml.
    """
    if not targets:
        return list(fleet.nodes)
    by_instance = {i.node for one in choose_in_each(fleet, jobs, targets) for i in one}
    return [
        name
        for name in fleet.nodes
        if name in by_instance or any(fnmatchcase(name, target) for target in targets)
    ]


def _nearest(name: str, names: Sequence[str]) -> str:
    from difflib import get_close_matches  # slow to import, and needed only for a mistake

    close = get_close_matches(name, names, n=1)
    known = ", ".join(dict.fromkeys(names)) or "none"
    return f"Did you mean {close[0]!r}?" if close else f"There are: {known}."
