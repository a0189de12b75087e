"""In which order a job's nodes form a ring, and which of two neighbours connects. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from fleetctl.model.expectations import Expectations
from fleetctl.model.jobs import Job
from fleetctl.model.topology import Fleet

FEWEST = 2
MOST = 12
_TRIES = 20_000


class Edge(Struct, frozen=True):
    """A connection between two neighbours of the ring."""

    listener: str
    """The node that listens; the other one connects."""
    address: str
    """Of the listener."""


class Ring(Struct, frozen=True):
    """Nodes in order; the last one's neighbour is the first."""

    nodes: tuple[str, ...]
    edges: tuple[Edge, ...]
    """From each node to the next."""


def members(job: Job) -> list[str]:
    """The nodes that run something of ``job``, in its order."""
    return list(dict.fromkeys(i.node for i in job.instances if i.command is not None))


def form(
    fleet: Fleet, expectations: Expectations, nodes: Sequence[str], used: Mapping[str, str]
) -> Ring | None:
    """The ring of ``nodes``, in which each two neighbours can connect one way at least.

    :param used: by node: the address at which the job reaches it, which is preferred.
    :returns: None if there is none, or it was not found in time.
    """
    ways: dict[tuple[str, str], str] = {}
    for reach in expectations.reach:
        control = fleet.networks[reach.network].control
        if reach.expected and not control and {reach.node, reach.peer} <= set(nodes):
            to = str(reach.to)
            if (reach.node, reach.peer) not in ways or used.get(reach.peer) == to:
                ways[reach.node, reach.peer] = to
    order = _cycle(nodes, ways)
    if order is None:
        return None
    edges = [_edge(ways, a, b) for a, b in zip(order, (*order[1:], order[0]), strict=True)]
    return Ring(order, tuple(edges))


def _edge(ways: Mapping[tuple[str, str], str], node: str, following: str) -> Edge:
    if to := ways.get((node, following)):
        return Edge(following, to)
    return Edge(node, ways[following, node])


def _cycle(nodes: Sequence[str], ways: Mapping[tuple[str, str], str]) -> tuple[str, ...] | None:
    """All nodes once, each beside one that it can talk to, and the last beside the first."""
    tries = 0

    def extend(found: tuple[str, ...]) -> tuple[str, ...] | None:
        nonlocal tries
        tries += 1
        if tries > _TRIES:
            return None
        if len(found) == len(nodes):
            return found if _talk(ways, found[-1], found[0]) else None
        for node in nodes:
            if node not in found and _talk(ways, found[-1], node):
                whole = extend((*found, node))
                if whole:
                    return whole
        return None

    return extend((nodes[0],)) if nodes else None


def _talk(ways: Mapping[tuple[str, str], str], a: str, b: str) -> bool:
    return (a, b) in ways or (b, a) in ways
