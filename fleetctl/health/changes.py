"""What changed from one status of the fleet to the next, as sentences. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from fleetctl.health.kinds import connection, instances, network, reachability
from fleetctl.health.network.findings import LINK_CODES
from fleetctl.model.events import Event
from fleetctl.model.status import FleetStatus, NodeStatus, Problem, ServiceStatus

_ASKED_OF_OTHERS = frozenset(kind.code for kind in reachability.KINDS)
"""Shown by what other nodes get no answer from."""
_CONNECTIONS = frozenset(kind.code for kind in connection.KINDS)
_SYMPTOMS = _CONNECTIONS | _ASKED_OF_OTHERS
"""What is seen of a cause that is not known yet."""
_OF_WAYS = frozenset(kind.code for kind in network.KINDS) | _SYMPTOMS
_OF_INSTANCES = frozenset(kind.code for kind in instances.KINDS)
_UNHEARD = ("unreachable", "unknown")


def changes(before: FleetStatus, after: FleetStatus) -> Iterator[Event]:
    """Changes of nodes, then instances, then problems. What was not known before is no change."""
    at = after.generated_at
    for name, node in after.nodes.items():
        if name in before.nodes and (said := _node(name, before.nodes[name], node)):
            yield Event(at, node.state, said, "node", name, node=name)
    for name, service in after.services.items():
        if name in before.services and (said := _service(name, before.services[name], service)):
            yield Event(at, service.state, said, "instance", name, node=service.node, job=after.job)
    yield from _problems(before, after)


def _problems(before: FleetStatus, after: FleetStatus) -> Iterator[Event]:
    """New problems, then those that are over.

    A cause that is known better now is one change: what it was called before is not over.
    """
    old = {_key(problem): problem for problem in before.problems}
    new = {_key(problem): problem for problem in after.problems}
    gone = {key: problem for key, problem in old.items() if key not in new}
    for key, problem in new.items():
        if key in old:
            continue
        former = {k: p for k, p in gone.items() if _same_cause(p, problem, after)}
        was = f" (before: {', '.join(_named(p) for p in former.values())})" if former else ""
        text = f"{problem.code}: {problem.summary}{was}"
        yield _of_problem(problem, after, problem.severity, text)
        gone = {k: p for k, p in gone.items() if k not in former}
    for problem in gone.values():
        if _over(problem, after):
            yield _of_problem(problem, after, "ok", f"{_named(problem)} is over")


def _of_problem(problem: Problem, after: FleetStatus, state: str, text: str) -> Event:
    return Event(
        after.generated_at,
        state,
        text,
        "problem",
        _instance(problem) or problem.node or "",
        node=problem.node,
        job=after.job,
        code=problem.code,
    )


def _key(problem: Problem) -> tuple[str, str | None, tuple[str, ...]]:
    if problem.node is None:
        return problem.code, None, problem.affects
    return problem.code, problem.node, tuple(filter(None, [_instance(problem)]))


def _instance(problem: Problem) -> str:
    """The instance that a problem of instances is about; empty for any other."""
    if problem.code not in _OF_INSTANCES:
        return ""
    return next((name for name in problem.affects if name.endswith(f"@{problem.node}")), "")


def _named(problem: Problem) -> str:
    """The problem with its place."""
    where = _instance(problem) or problem.node or ", ".join(problem.affects)
    return f"{where}: {problem.code}" if where else problem.code


def _same_cause(old: Problem, new: Problem, after: FleetStatus) -> bool:
    """Whether ``new`` is what ``old`` turned out to be, now that more is known in ``after``."""
    if old.code in _OF_INSTANCES:
        return new.code in _OF_INSTANCES and _instance(old) in (_instance(new), *new.affects)
    if new.severity != "error" or new.code not in _OF_WAYS:
        return False
    touched = {new.node, *new.affects}
    mine: set[str | None] = {old.node} if old.node else set(old.affects)
    if old.code in _CONNECTIONS and new.code in _ASKED_OF_OTHERS and _heard(mine, after):
        return False  # the node answers again, and tells of something else
    if old.code in _SYMPTOMS:
        return not touched.isdisjoint(mine) or new.node in old.affects
    # found on the node itself: now at the other end of a cable, or on the same node
    related = old.code == new.code and not touched.isdisjoint({old.node, *old.affects})
    return old.severity == "error" and old.code in _OF_WAYS and (related or old.node == new.node)


def _over(problem: Problem, after: FleetStatus) -> bool:
    """Whether it is over: not only no longer seen because a node cannot be asked, and not only
    told as a part of another problem."""
    places = {problem.node} if problem.node else {n.rpartition("@")[2] for n in problem.affects}
    nodes = after.nodes
    if problem.code in LINK_CODES:
        rows = [row for name in places if name in nodes for row in nodes[name].addresses]
        if any(row.ok is False or row.up is False for row in rows):
            return False
    if problem.code in _ASKED_OF_OTHERS:
        places |= set(problem.affects)
        pings = [row for name in places if name in nodes for row in nodes[name].reachability]
        if any(row.ok is False and row.node in places for row in pings):
            return False
    return _heard(places, after)


def _heard(names: Collection[str | None], status: FleetStatus) -> bool:
    """Whether all of these that are nodes can be asked, as far as they ever can."""
    nodes = [node for name, node in status.nodes.items() if name in names]
    return all(node.state not in _UNHEARD for node in nodes)


def _node(name: str, before: NodeStatus, after: NodeStatus) -> str:
    if (before.state == "unreachable") == (after.state == "unreachable"):
        return ""
    if after.state == "unreachable":
        return f"{name} cannot be reached: {after.ssh.error}"
    return "" if after.state == "unknown" else f"{name} is reached again"


def _service(name: str, before: ServiceStatus, after: ServiceStatus) -> str:
    if before.state == after.state and before.restarts == after.restarts:
        return ""
    if before.state == "unknown" and before.started_at is None and after.state != "failed":
        return ""  # it was not asked yet, or its node can be asked again
    why = f": {after.reason}" if after.reason else ""
    again = f", restart {after.restarts}" if after.restarts > before.restarts else ""
    return f"{name} is {after.state}{again}{why}"
