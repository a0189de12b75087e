"""From which node each node gets what is shared, and which of the two connects. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import pairwise

from msgspec import Struct

from fleetctl.model.topology import Fleet


class Edge(Struct, frozen=True):
    """``node`` gets the files from ``source``."""

    source: str
    node: str
    listener: str
    """Which of the two listens; the other one connects."""
    address: str
    """Of the listener, on the network that the files are sent over."""


class Spread(Struct, frozen=True):
    """A tree of nodes."""

    head: str
    """The only node that the controller sends to; it may need nothing itself."""
    edges: tuple[Edge, ...]
    """Of a source before those of its nodes."""

    @property
    def nodes(self) -> tuple[str, ...]:
        return (self.head, *(edge.node for edge in self.edges))


def spread(
    fleet: Fleet, over: str, lacks: Mapping[str, Collection[str]], sizes: Mapping[str, int]
) -> tuple[Spread | None, Mapping[str, str]]:
    """How files get to all nodes that lack some.

    Those on ``over`` are a chain, in the order of ``lacks``, behind the one that has most of it
    already. A node that reaches ``over`` by ``via`` gets it from its gateway there, or else from
    the last of the chain.

    :param lacks: by node, the paths of the files that it has not; also of nodes that have all.
    :param sizes: in bytes, by path.
    :returns: the tree, or None where no two nodes can take part; and, by node, why it has no part.
    """
    members = [node for node in lacks if over in fleet.nodes[node].addresses]
    behind = [n for n in lacks if lacks[n] and n not in members and over in fleet.nodes[n].via]
    direct = {
        node: f"it has no way to {over}"
        for node in lacks
        if lacks[node] and node not in members and node not in behind
    }
    if not members:
        direct.update(dict.fromkeys(behind, f"no node on {over} takes part"))
        return None, direct
    wanted = {path for node in lacks for path in lacks[node] if node not in direct}
    head = min(members, key=lambda node: sum(sizes[path] for path in wanted & set(lacks[node])))
    chain = [head, *(node for node in members if node != head and lacks[node])]
    address = {node: str(fleet.nodes[node].addresses[over]) for node in chain}
    edges = [Edge(source, node, node, address[node]) for source, node in pairwise(chain)]
    for node in behind:
        source = _gateway(fleet, over, node)
        source = source if source in chain else chain[-1]
        edges.append(Edge(source, node, source, address[source]))
    if not edges:
        return None, direct
    return Spread(head, tuple(edges)), direct


def _gateway(fleet: Fleet, over: str, node: str) -> str:
    """The node on ``over`` through which ``node`` reaches it."""
    gateway = fleet.nodes[node].via[over]
    while over not in fleet.nodes[gateway].addresses:
        gateway = fleet.nodes[gateway].via[over]
    return gateway
