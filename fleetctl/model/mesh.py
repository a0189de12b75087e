"""Ways over gateways between nodes that are no neighbours, as ``via`` of the nodes. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import permutations

from msgspec.structs import replace

from fleetctl.model.endpoints import best_network
from fleetctl.model.topology import Fleet, Node


def connected(fleet: Fleet, names: Iterable[str], over: str | None = None) -> Fleet:
    """``fleet`` with the ``via`` by which each of the nodes ``names`` reaches each other one.

    What they have in nodes.yaml is kept. Control networks are left out; where no gateways lead from
    one to another, that pair stays as it is.

    :param over: the network that is meant; by default any.
    """
    mesh = _Mesh(fleet)
    nodes = [name for name in names if fleet.nodes[name].connection != "none"]
    if over:
        for name in nodes:
            mesh.lead(name, over)
    for a, b in permutations(nodes, 2):
        mesh.join(a, b, over)
    return mesh.fleet


def network_between(fleet: Fleet, a: Node, b: Node, over: str | None = None) -> str | None:
    """The network on which ``a`` reaches an address of ``b``; ``None``: it has no way."""
    if over is None:
        return best_network(fleet, a, b)
    meant = fleet.way_out(b, over)
    return best_network(fleet, a, b, (meant,)) if meant else None


class _Mesh:
    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self._trees: dict[str, dict[str, str]] = {}

    def join(self, a: str, b: str, over: str | None) -> None:
        """Give ``a`` a way to ``b``."""
        one, other = self.fleet.nodes[a], self.fleet.nodes[b]
        shared = self.fleet.shared_network(a, b)
        if not over and shared is not None and not shared.control:
            return
        if over:
            targets = [self.fleet.way_out(other, over)]
        else:  # the answer goes to where the other one sends from
            back = [n for n in other.via if n in one.networks]
            targets = [*(self.fleet.way_out(other, n) for n in back), *other.addresses]
        ways = [(self._length(a, name), name) for name in targets if name and self._is_data(name)]
        known = [(length, name) for length, name in ways if length is not None]
        if known:
            self.lead(a, min(known, key=lambda way: way[0])[1])

    def lead(self, name: str, target: str) -> None:
        """Give node ``name``, and the gateways on its way, a ``via`` to network ``target``."""
        hops = self._tree(target)
        nodes = dict(self.fleet.nodes)
        here: str | None = name
        while here is not None and not self._is_there(here, target) and here in hops:
            node = nodes[here]
            nodes[here] = replace(node, via={**node.via, target: hops[here]})
            here = hops[here]
        self.fleet = replace(self.fleet, nodes=nodes)

    def _is_data(self, network: str) -> bool:
        return not self.fleet.networks[network].control

    def _is_there(self, name: str, target: str) -> bool:
        node = self.fleet.nodes[name]
        return target in node.networks or target in node.via

    def _length(self, name: str, target: str) -> int | None:
        """How many gateways a new way needs; 0: there is one, or none is needed."""
        hops, length = self._tree(target), 0
        while not self._is_there(name, target):
            if name not in hops:
                return None
            name, length = hops[name], length + 1
        return length

    def _tree(self, target: str) -> dict[str, str]:
        """By node: the next gateway on the shortest way to ``target``."""
        if target not in self._trees:
            self._trees[target] = self._shortest(target)
        return self._trees[target]

    def _shortest(self, target: str) -> dict[str, str]:
        gateways = [node for node in self.fleet.nodes.values() if node.gateway]
        on = [node.name for node in gateways if target in node.addresses]
        hops: dict[str, str] = {}
        waiting = deque([*on, *(node.name for node in gateways if target in node.via)])
        while waiting:
            gate = waiting.popleft()
            for node in self.fleet.nodes.values():
                if node.name in hops or self._is_there(node.name, target):
                    continue
                link = self.fleet.shared_network(node.name, gate)
                if link is None or link.control or node.connection == "none":
                    continue
                if link.name in self.fleet.nodes[gate].addresses:
                    hops[node.name] = gate
                    if node.gateway:
                        waiting.append(node.name)
        return hops
