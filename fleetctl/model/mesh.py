"""Ways over gateways between nodes that are no neighbours, as ``via`` of the nodes. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import permutations, product

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
        mesh.meet(nodes, over)
    else:
        for a, b in permutations(nodes, 2):
            mesh.join(a, b)
    return mesh.fleet


def network_between(fleet: Fleet, a: Node, b: Node, over: str | None = None) -> str | None:
    """The network on which ``a`` reaches an address of ``b``; ``None``: it has no way."""
    if over is None:
        return best_network(fleet, a, b)
    meant = fleet.way_out(b, over)
    return best_network(fleet, a, b, (meant,)) if meant else None


class _Mesh:
    def __init__(self, fleet: Fleet) -> None:
        self._nodes = dict(fleet.nodes)
        self.fleet = replace(fleet, nodes=self._nodes)
        self._trees: dict[str, dict[str, str]] = {}
        self._data = {
            name: frozenset(n for n in node.networks if not fleet.networks[n].control)
            for name, node in fleet.nodes.items()
        }
        """By node: its networks that are no control networks."""

    def join(self, a: str, b: str) -> None:
        """Give ``a`` a way to ``b``."""
        one, other = self.fleet.nodes[a], self.fleet.nodes[b]
        if not self._data[b].isdisjoint((*one.networks, *one.via)):
            return
        # the answer goes to where the other one sends from
        back = (self.fleet.way_out(other, n) for n in other.via if n in one.networks)
        targets = dict.fromkeys([*back, *other.addresses])
        ways = [(self._length(a, name), name) for name in targets if name in self._data[b]]
        known = [(length, name) for length, name in ways if length is not None]
        if known:
            self.lead(a, min(known, key=lambda way: way[0])[1])

    def meet(self, names: list[str], over: str) -> None:
        """Give each of ``names`` a way to ``over``, and to where the others send there from."""
        for name in names:
            self.lead(name, over)
        homes = dict.fromkeys(self.fleet.way_out(self._nodes[name], over) for name in names)
        for name, home in product(names, filter(None, homes)):
            self.lead(name, home)

    def lead(self, name: str, target: str) -> None:
        """Give node ``name``, and the gateways on its way, a ``via`` to network ``target``, if that
        is no control network."""
        skip = self.fleet.networks[target].control or self._is_there(name, target)
        hops = {} if skip else self._tree(target)
        while name in hops and not self._is_there(name, target):
            node = self._nodes[name]
            self._nodes[name] = replace(node, via={**node.via, target: hops[name]})
            name = hops[name]

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
                if self._data[node.name].isdisjoint(self._data[gate]) or node.connection == "none":
                    continue
                link = self.fleet.shared_network(node.name, gate)
                if link and link.name in self.fleet.nodes[gate].addresses:
                    hops[node.name] = gate
                    if node.gateway:
                        waiting.append(node.name)
        return hops
