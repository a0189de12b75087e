"""The addresses that nodes have by DHCP, as the nodes themselves tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address

from msgspec.structs import replace

from fleetctl.model.facts import NetworkFacts, NodeFacts
from fleetctl.model.network import Interface
from fleetctl.model.topology import Fleet, Network, Node

INTERFACE_STEMS: Mapping[str, tuple[str, ...]] = {
    "wifi": ("wl", "en"),
    "thunderbolt": ("thunderbolt", "bridge"),
    "ethernet": ("eth", "en", "eno", "enp", "end"),
}
"""How interface names begin on Linux and macOS, by kind of network; another kind: any name."""


def with_leases(fleet: Fleet, facts: Mapping[str, NodeFacts]) -> Fleet:
    """``fleet`` with the addresses that DHCP gave, by the words of the nodes in ``facts``.

    A node that did not say which addresses it has keeps those that it is known to have.

    :returns: ``fleet`` itself if nothing is new.
    """
    new = {}
    for node in fleet.nodes.values():
        known = facts.get(node.name)
        if node.leased and known and known.network.interfaces is not None:
            addresses = _addresses(fleet, node, known.network)
            if addresses != node.addresses:
                new[node.name] = replace(node, addresses=addresses)
    return replace(fleet, nodes={**fleet.nodes, **new}) if new else fleet


def _addresses(fleet: Fleet, node: Node, told: NetworkFacts) -> dict[str, IPv4Address]:
    """In the order of the fleet's networks."""
    found = {
        name: lease(network, told) if name in node.leased else node.addresses.get(name)
        for name, network in fleet.networks.items()
    }
    return {name: address for name, address in found.items() if address is not None}


def lease(network: Network, told: NetworkFacts) -> IPv4Address | None:
    """The address of a node inside ``network``.

    Of several the one on an interface that works, then on one of the network's kind, then on that
    of the default route.
    """
    leading = {r.interface for r in told.routes or () if r.to.prefixlen == 0}
    stems = INTERFACE_STEMS.get(network.kind, ("",))

    def rank(found: tuple[Interface, IPv4Address]) -> tuple[bool, bool, bool]:
        interface, _ = found
        return (
            not interface.up,
            not interface.name.startswith(stems),
            interface.name not in leading,
        )

    best = min(_inside(network, told), key=rank, default=None)
    return best[1] if best else None


def _inside(network: Network, told: NetworkFacts) -> Iterator[tuple[Interface, IPv4Address]]:
    for interface in told.interfaces or ():
        for own in interface.addresses:
            if own.ip in network.cidr:
                yield interface, own.ip
