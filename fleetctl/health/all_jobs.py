"""One status of several jobs of the same fleet. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from fleetctl.model.node_status import NodeState, NodeStatus, ReachStatus
from fleetctl.model.status import FleetStatus, JobStatus, OrphanStatus, ParityStatus, Problem

_WORST: tuple[NodeState, ...] = ("unreachable", "unknown", "degraded", "ok", "external")
_DOUBTS = (False, None, True)


def together(statuses: Sequence[FleetStatus]) -> FleetStatus:
    """The status of the fleet with every job, from one status for each of them: no job is the
    chosen one. What is wrong for several jobs is told once."""
    first = statuses[0]
    found: dict[tuple[str, str | None, str, str], Problem] = {}
    for problem in (problem for status in statuses for problem in status.problems):
        key = (problem.code, problem.node, problem.summary, problem.evidence)
        before = found.get(key, problem)
        affects = tuple(dict.fromkeys((*before.affects, *problem.affects)))
        found[key] = replace(before, affects=affects)
    return replace(
        first,
        job=None,
        services={},
        jobs={status.job: JobStatus(status.services) for status in statuses if status.job},
        duration_s=max(status.duration_s for status in statuses),
        healthy=all(status.healthy for status in statuses),
        nodes={name: _node([status.nodes[name] for status in statuses]) for name in first.nodes},
        parity=_parity(statuses),
        orphans=_common([status.orphans for status in statuses]),
        problems=tuple(sorted(found.values(), key=lambda problem: problem.severity != "error")),
    )


def _parity(statuses: Sequence[FleetStatus]) -> tuple[ParityStatus, ...] | None:
    asked = [status.parity for status in statuses if status.parity is not None]
    found = [one for parity in asked for one in parity]
    return tuple(one for n, one in enumerate(found) if one not in found[:n]) if asked else None


def _common(of_each: Sequence[tuple[OrphanStatus, ...]]) -> tuple[OrphanStatus, ...]:
    """Those of no job at all: an instance of one is an orphan to the others only."""
    keys = [{(orphan.job, orphan.name) for orphan in orphans} for orphans in of_each]
    common = set.intersection(*keys)
    return tuple(orphan for orphan in of_each[0] if (orphan.job, orphan.name) in common)


def _node(of_each: Sequence[NodeStatus]) -> NodeStatus:
    worst = min(of_each, key=lambda node: _WORST.index(node.state))
    names = tuple(name for node in of_each for name in node.services)
    return replace(worst, services=names, reachability=_reachability(of_each))


def _reachability(of_each: Sequence[NodeStatus]) -> tuple[ReachStatus, ...]:
    """What must be reached depends on the job; of one address, what is worst counts."""
    found: dict[tuple[str, str, str], ReachStatus] = {}
    for row in (row for node in of_each for row in node.reachability):
        key = (row.to, row.node, row.network)
        if key not in found or _DOUBTS.index(row.ok) < _DOUBTS.index(found[key].ok):
            found[key] = row
    return tuple(found.values())
