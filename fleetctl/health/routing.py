"""Questions about a node's routing table and interfaces, for diagnosis and repair alike. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network

from msgspec import Struct

from fleetctl.model.facts import NetworkFacts, NodeFacts
from fleetctl.model.network import Route
from fleetctl.model.topology import Fleet, Network, Node


class DefaultWay(Struct, frozen=True):
    """How packets to the internet leave a node."""

    via: IPv4Address | None
    """The next hop; None: straight onto the link."""
    interface: str


def routes(network: NetworkFacts) -> list[Route]:
    """The entries that ordinary packets follow, those of the default route among them.

    A scoped entry of macOS counts for bound sockets alone, and a cloned one is of the neighbour
    cache.
    """
    return [r for r in network.routes or () if not r.scoped and not r.cloned]


def best(entries: Sequence[Route]) -> Route | None:
    """Of entries for one destination the one that counts: that of the lowest metric."""
    return min(entries, key=lambda r: r.metric, default=None)


def exact(network: NetworkFacts, to: IPv4Network) -> Route | None:
    """The entry for just this destination that packets follow."""
    return best([r for r in routes(network) if r.to == to])


def wider(network: NetworkFacts, to: IPv4Network) -> list[Route]:
    """Entries for ``to`` or for more, without the default routes."""
    return [r for r in routes(network) if r.to.prefixlen and r.to.supernet_of(to)]


def narrower(network: NetworkFacts, to: IPv4Network, via: IPv4Address) -> list[Route]:
    """Entries for parts of ``to`` that lead through ``via``."""
    return [r for r in routes(network) if r.to != to and r.to.subnet_of(to) and r.via == via]


def defaults(network: NetworkFacts) -> list[Route]:
    """Every default route that ordinary packets could follow."""
    return [r for r in network.routes or () if r.to.prefixlen == 0 and not r.scoped]


def scoped_defaults(network: NetworkFacts) -> list[Route]:
    """Every default route, also those that macOS keeps for each interface."""
    return [r for r in network.routes or () if r.to.prefixlen == 0]


def default_way(fleet: Fleet, network: NetworkFacts) -> DefaultWay | None:
    """The way that packets to the internet take; None where not known, or where there is none."""
    taken = network.taken.get(fleet.internet) if fleet.internet else None
    if taken is not None:
        return DefaultWay(taken.via, taken.interface) if taken.interface else None
    entry = best(defaults(network))
    return DefaultWay(entry.via, entry.interface) if entry else None


def default_thief(fleet: Fleet, node: Node, network: NetworkFacts) -> Network | None:
    """The cluster network that took the default route away from the control network.

    A way that belongs to no network of nodes.yaml, such as a VPN's, is the user's own choice.
    """
    way = default_way(fleet, network)
    if way is None or way.interface in control_interfaces(fleet, node, network):
        return None
    for name, address in node.addresses.items():
        if fleet.networks[name].control:
            continue
        own = network.interface_of(address)
        through = way.via is not None and way.via in fleet.networks[name].cidr
        if through or (own is not None and own.name == way.interface):
            return fleet.networks[name]
    return None


def control_interfaces(fleet: Fleet, node: Node, network: NetworkFacts) -> frozenset[str]:
    """The interfaces that have the node's addresses on control networks."""
    control = (a for name, a in node.addresses.items() if fleet.networks[name].control)
    return frozenset(i.name for a in control if (i := network.interface_of(a)) is not None)


def ssh_interfaces(fleet: Fleet, node: Node, facts: NodeFacts) -> frozenset[str]:
    """The interfaces that must not be touched: the one that carries the node's own SSH, or, where
    that is not known, those of its control networks."""
    network = facts.network
    own = network.interface_of(network.ssh_address) if network.ssh_address else None
    if own is not None:
        return frozenset({own.name})
    return control_interfaces(fleet, node, network)


def interface_towards(
    fleet: Fleet, node: Node, network: NetworkFacts, next_hop: IPv4Address
) -> str:
    """The interface that has the node's own address on the next hop's network; empty: none has."""
    for name, address in node.addresses.items():
        if next_hop in fleet.networks[name].cidr:
            own = network.interface_of(address)
            return own.name if own else ""
    return ""
