"""Look-ups in a node's routing table and interfaces, for diagnosis and repair. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from msgspec import Struct

from fleetctl.model.facts import NetworkFacts, NodeFacts
from fleetctl.model.network import Interface, Route, RouteTaken
from fleetctl.model.topology import Fleet, Network, Node


class DefaultWay(Struct, frozen=True):
    """How packets to the internet leave a node."""

    via: IPv4Address | None
    """The next hop; None: straight onto the link."""
    interface: str


def routes(network: NetworkFacts) -> list[Route]:
    """The routes that ordinary packets follow, with the default routes.

    On macOS a scoped route counts only for bound sockets, and a cloned one belongs to the neighbour
    cache.
    """
    return [r for r in network.routes or () if not r.scoped and not r.cloned]


def best(entries: Sequence[Route]) -> Route | None:
    """Of routes to one destination the one that counts: that with the lowest metric."""
    return min(entries, key=lambda r: r.metric, default=None)


def exact(network: NetworkFacts, to: IPv4Network) -> Route | None:
    """The route to exactly this destination that packets follow."""
    return best([r for r in routes(network) if r.to == to])


def wider(network: NetworkFacts, to: IPv4Network) -> list[Route]:
    """Routes to ``to`` or to a larger network, without the default routes."""
    return [r for r in routes(network) if r.to.prefixlen and r.to.supernet_of(to)]


def narrower(network: NetworkFacts, to: IPv4Network, via: IPv4Address) -> list[Route]:
    """Routes to parts of ``to`` through ``via``."""
    return [r for r in routes(network) if r.to != to and r.to.subnet_of(to) and r.via == via]


def taking(network: NetworkFacts, taken: RouteTaken) -> Route | None:
    """The narrowest entry of the table that leads packets this way, or drops them; no default
    route, nor one for half of all addresses, which VPNs set in its place."""
    fits = [
        r
        for r in routes(network)
        if r.to.prefixlen > 1
        and taken.to in r.to
        and (
            r.type != "unicast"
            if taken.interface is None
            else (r.interface, r.via) == (taken.interface, taken.via)
        )
    ]
    return min(fits, key=lambda r: (-r.to.prefixlen, r.metric), default=None)


def by_default(fleet: Fleet, network: NetworkFacts, taken: RouteTaken) -> bool:
    """Whether packets go this way because nothing but a default route leads there."""
    way = (taken.via, taken.interface)
    usual = network.taken.get(fleet.internet) if fleet.internet else None
    if usual is not None and (usual.via, usual.interface) == way:
        return True
    return any((r.via, r.interface) == way for r in network.routes or () if r.to.prefixlen <= 1)


def defaults(network: NetworkFacts) -> list[Route]:
    """Every default route that ordinary packets could follow."""
    return [r for r in network.routes or () if r.to.prefixlen == 0 and not r.scoped]


def scoped_defaults(network: NetworkFacts) -> list[Route]:
    """Every default route, also those that macOS keeps for each interface."""
    return [r for r in network.routes or () if r.to.prefixlen == 0]


def default_way(fleet: Fleet, network: NetworkFacts) -> DefaultWay | None:
    """How packets to the internet leave the node; None: not known, or they do not."""
    taken = network.taken.get(fleet.internet) if fleet.internet else None
    if taken is not None:
        return DefaultWay(taken.via, taken.interface) if taken.interface else None
    entry = best(defaults(network))
    return DefaultWay(entry.via, entry.interface) if entry else None


def default_taken_by(fleet: Fleet, node: Node, network: NetworkFacts) -> Network | None:
    """The cluster network to which the default route leads instead of the control network.

    None for a default route through no network of nodes.yaml, such as a VPN: that is the user's
    choice.
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


def wrong_prefixes(
    interface: Interface, address: IPv4Address, network: Network
) -> list[IPv4Interface]:
    """The entries of ``address`` on its interface with another mask than the network's."""
    return [
        own
        for own in interface.addresses
        if own.network.prefixlen != network.cidr.prefixlen and own.ip == address
    ]


def ssh_interfaces(
    fleet: Fleet, node: Node, facts: NodeFacts, carried: frozenset[str] = frozenset()
) -> frozenset[str]:
    """The interfaces that must not be changed: the one that carries SSH to the node, or, if that
    is not known, those on its control networks.

    :param carried: the networks on which it carries other nodes' connections, or its own, besides.
    """
    network = facts.network
    others = frozenset(
        own.name
        for name in carried
        if name in node.addresses and (own := network.interface_of(node.addresses[name]))
    )
    if network.ssh_interface:
        return others | {network.ssh_interface}
    own = network.interface_of(network.ssh_address) if network.ssh_address else None
    if own is not None:
        return others | {own.name}
    return others | control_interfaces(fleet, node, network)


def interface_towards(
    fleet: Fleet, node: Node, network: NetworkFacts, next_hop: IPv4Address
) -> str:
    """The interface with the node's address on the next hop's network; empty: there is none."""
    for name, address in node.addresses.items():
        if next_hop in fleet.networks[name].cidr:
            own = network.interface_of(address)
            return own.name if own else ""
    return ""
