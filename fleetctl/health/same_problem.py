"""Which problems of two looks are one, and which are over. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from fleetctl.health.kinds import connection, network, reachability
from fleetctl.health.kinds.instances import (
    CONNECTION_LOST,
    DEPENDENCY_NOT_READY,
    OF_INSTANCES,
    SERVICE_SILENT,
    STRAGGLER,
)
from fleetctl.health.network.findings import LINK_CODES
from fleetctl.model.status import FleetStatus, Problem

_ASKED_OF_OTHERS = frozenset(kind.code for kind in reachability.KINDS)
"""Shown by what other nodes get no answer from."""
_CONNECTIONS = frozenset(kind.code for kind in connection.KINDS)
_SYMPTOMS = _CONNECTIONS | _ASKED_OF_OTHERS
"""What is seen of a cause that is not known yet."""
_UNDONE = frozenset({STRAGGLER.code, SERVICE_SILENT.code, CONNECTION_LOST.code})
BAD_LINKS = frozenset(kind.code for kind in (reachability.PACKET_LOSS, reachability.RTT_HIGH))
LASTED_S = {connection.ANSWER_INCOMPLETE.code: 120.0, DEPENDENCY_NOT_READY.code: 30.0}
"""By code: for how long a problem must go on to be an event or an alert. A busy node gives some
answers in part, time and again; what it did not say is not known, and that is no news by itself. A
question that hangs is put again after a minute. In each start instances wait for others."""
OF_WAYS = frozenset(kind.code for kind in network.KINDS) | _SYMPTOMS
UNHEARD = ("unreachable", "unknown")


Key = tuple[str, str | None, tuple[str, ...]]


def key_of(problem: Problem) -> Key:
    """The same for one problem in every look."""
    if problem.node is None:
        return problem.code, None, problem.affects
    return problem.code, problem.node, tuple(filter(None, [instance_of(problem)]))


def instance_of(problem: Problem) -> str:
    """The instance that a problem of instances is about; empty for any other."""
    if problem.code not in OF_INSTANCES:
        return ""
    return next((name for name in problem.affects if name.endswith(f"@{problem.node}")), "")


def named(problem: Problem) -> str:
    """The problem with its place."""
    where = instance_of(problem) or problem.node or ", ".join(problem.affects)
    return f"{where}: {problem.code}" if where else problem.code


def same_cause(old: Problem, new: Problem, after: FleetStatus) -> bool:
    """Whether ``new`` is what ``old`` turned out to be, now that more is known in ``after``."""
    if old.code in OF_INSTANCES:
        return new.code in OF_INSTANCES and instance_of(old) in (instance_of(new), *new.affects)
    if old.code == new.code and old.code in BAD_LINKS:
        return one_link((old.node, old.affects), (new.node, new.affects))
    if new.severity != "error" or new.code not in OF_WAYS:
        return False
    touched = {new.node, *new.affects}
    mine: set[str | None] = {old.node} if old.node else set(old.affects)
    if old.code in _CONNECTIONS and new.code in _ASKED_OF_OTHERS and heard(mine, after):
        return False  # the node answers again, and tells of something else
    if old.code in _SYMPTOMS:
        return not touched.isdisjoint(mine) or new.node in old.affects
    # found on the node itself: now at the other end of a cable, or on the same node
    related = old.code == new.code and not touched.isdisjoint({old.node, *old.affects})
    return old.severity == "error" and old.code in OF_WAYS and (related or old.node == new.node)


Ends = tuple[str | None, Sequence[str]]
"""Of a bad link: the node that it is told at, and the nodes at the other ends of its paths."""


def one_link(old: Ends, new: Ends) -> bool:
    """Whether a bad link that is told at ``new`` may be the one that was told at ``old``: the more
    of its paths were measured, the better it is known which link it is, and at which end."""
    if old[0] is None or new[0] is None:  # the network as a whole
        return not {old[0], *old[1]}.isdisjoint({new[0], *new[1]} - {None})
    return old[0] in (new[0], *new[1]) or new[0] in old[1]


def is_over(problem: Problem, after: FleetStatus) -> bool:
    """Whether it is over: not only no longer seen because a node cannot be asked, and not only
    told as a part of another problem."""
    places = {problem.node} if problem.node else {n.rpartition("@")[2] for n in problem.affects}
    nodes = after.nodes
    if problem.code in _UNDONE and explained({*places, *problem.affects}, after):
        return False
    if problem.code in LINK_CODES:
        rows = [row for name in places if name in nodes for row in nodes[name].addresses]
        if any(row.ok is False or row.up is False for row in rows):
            return False
    if problem.code in _ASKED_OF_OTHERS:
        places |= set(problem.affects)
        pings = [row for name in places if name in nodes for row in nodes[name].reachability]
        if any(row.ok is False and row.node in places for row in pings):
            return False
    return heard(places, after)


def explained(names: Collection[str | None], status: FleetStatus) -> bool:
    """Whether an error stands that concerns one of these, with which what they no longer do is
    told: that it is not told by itself is then no sign that they do it again."""
    return any(
        problem.severity == "error" and not {problem.node, *problem.affects}.isdisjoint(names)
        for problem in status.problems
    )


def heard(names: Collection[str | None], status: FleetStatus) -> bool:
    """Whether all of these that are nodes can be asked, as far as they ever can."""
    nodes = [node for name, node in status.nodes.items() if name in names]
    return all(node.state not in UNHEARD for node in nodes)
