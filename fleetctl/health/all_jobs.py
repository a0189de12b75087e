"""One status of several jobs of the same fleet. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from fleetctl.model.node_status import NodeState, NodeStatus, ReachStatus
from fleetctl.model.status import FleetStatus, JobStatus, OrphanStatus, ParityStatus, Problem

_WORST: tuple[NodeState, ...] = ("unreachable", "unknown", "degraded", "ok", "external")
_DOUBTS = (False, None, True)
_OF_NAMES = r"[\w.@-]"
"""What a name may go on with."""


def together(statuses: Sequence[FleetStatus]) -> FleetStatus:
    """The status of the fleet with every job, from one status for each of them: no job is the
    chosen one. What is wrong for several jobs is told once. An instance whose name another job has,
    too, is called ``JOB/SERVICE@NODE``.

    A job of ``jobs`` that has no status of its own here is told as the first status tells it.
    """
    first = statuses[0]
    known = {status.job: JobStatus(status.services, status.progress) for status in statuses}
    order = [*(name for name in known if name), *first.jobs]
    jobs = {name: known.get(name) or first.jobs[name] for name in dict.fromkeys(order)}
    shared = shared_names(jobs)
    return replace(
        first,
        job=None,
        services={},
        progress=None,
        jobs=jobs,
        duration_s=max(status.duration_s for status in statuses),
        healthy=all(status.healthy for status in statuses),
        nodes={name: _node(name, statuses, shared) for name in first.nodes},
        parity=_parity(statuses),
        orphans=_common([status.orphans for status in statuses]),
        problems=_problems(statuses, shared),
    )


def shared_names(jobs: Mapping[str, JobStatus]) -> frozenset[str]:
    """The names that instances of more than one of ``jobs`` have."""
    counts = Counter(name for job in jobs.values() for name in job.services)
    return frozenset(name for name, times in counts.items() if times > 1)


def _problems(statuses: Sequence[FleetStatus], shared: frozenset[str]) -> tuple[Problem, ...]:
    found: dict[tuple[str, str | None, str, str], Problem] = {}
    for status in statuses:
        for problem in (told_apart(one, status.job, shared) for one in status.problems):
            key = (problem.code, problem.node, problem.summary, problem.evidence)
            before = found.get(key, problem)
            affects = tuple(dict.fromkeys((*before.affects, *problem.affects)))
            found[key] = replace(before, affects=affects)
    return tuple(sorted(found.values(), key=lambda problem: problem.severity != "error"))


def told_apart(problem: Problem, job: str | None, shared: frozenset[str]) -> Problem:
    """``problem`` of the status of ``job``, with the names that are ``shared`` after their job."""
    mine = problem.job or job
    names = [name for name in problem.affects if name in shared]
    if not names or mine is None:
        return problem
    affects = tuple(f"{mine}/{name}" if name in shared else name for name in problem.affects)
    if problem.job is None:
        return replace(problem, affects=affects)  # the sentence is about a machine, for all jobs
    either = "|".join(map(re.escape, names))
    apart = re.compile(rf"(?<!{_OF_NAMES})(?<!/)({either})(?!{_OF_NAMES})")
    return replace(problem, affects=affects, summary=apart.sub(rf"{mine}/\1", problem.summary))


def _parity(statuses: Sequence[FleetStatus]) -> tuple[ParityStatus, ...] | None:
    asked = [status.parity for status in statuses if status.parity is not None]
    found = [one for parity in asked for one in parity]
    return tuple(one for n, one in enumerate(found) if one not in found[:n]) if asked else None


def _common(of_each: Sequence[tuple[OrphanStatus, ...]]) -> tuple[OrphanStatus, ...]:
    """Those of no job at all: an instance of one is an orphan to the others only."""
    keys = [{(orphan.job, orphan.name) for orphan in orphans} for orphans in of_each]
    common = set.intersection(*keys)
    return tuple(orphan for orphan in of_each[0] if (orphan.job, orphan.name) in common)


def _node(name: str, statuses: Sequence[FleetStatus], shared: frozenset[str]) -> NodeStatus:
    of_each = [status.nodes[name] for status in statuses]
    worst = min(of_each, key=lambda node: _WORST.index(node.state))
    names = tuple(
        f"{status.job}/{one}" if one in shared else one
        for status, node in zip(statuses, of_each, strict=True)
        for one in node.services
    )
    return replace(worst, services=names, reachability=tuple(_reachability(of_each)))


def _reachability(of_each: Iterable[NodeStatus]) -> Iterator[ReachStatus]:
    """What must be reached depends on the job; of one address, what is worst counts."""
    found: dict[tuple[str, str, str], ReachStatus] = {}
    for row in (row for node in of_each for row in node.reachability):
        key = (row.to, row.node, row.network)
        if key not in found or _DOUBTS.index(row.ok) < _DOUBTS.index(found[key].ok):
            found[key] = row
    yield from found.values()
