"""Whether addresses and routes that nodes.yaml implies are there after a node's next boot."""

from __future__ import annotations

from ipaddress import IPv4Interface

from fleetctl.health import at_boot, routing
from fleetctl.health.at_boot import Boot, Kept
from fleetctl.model.expectations import ExpectedRoute
from fleetctl.model.facts import NodeFacts
from fleetctl.model.topology import Fleet, Network, Node

_NO_INTERFACE = "which interface it belongs to is not known"


def address_kept(node: Node, facts: NodeFacts, network: Network) -> Kept:
    """Of the node's address on ``network``.

    On a control network with DHCP the router decides, so that is not known, and no fault. On
    another network such an address counts as the router's only if it was leased.
    """
    own = node.addresses[network.name]
    interface = facts.network.interface_of(own)
    wanted = IPv4Interface((own, network.cidr.prefixlen))
    leased = network.control or at_boot.lease(interface, own)
    boot = _boot(facts, interface.name if interface else "")
    return boot.of(lambda way: at_boot.address(way, wanted, leased=leased))


def route_kept(fleet: Fleet, facts: NodeFacts, expected: ExpectedRoute) -> Kept:
    """Of the route on the interface towards its next hop, or on any that brings it."""
    node, to, via = fleet.nodes[expected.node], expected.to, expected.via
    towards = routing.interface_towards(fleet, node, facts.network, via)
    found = _boot(facts, towards).of(lambda way: at_boot.route(way, to, via))
    if found.persistent is False:
        for interface in facts.network.interfaces or ():
            other = _boot(facts, interface.name)
            kept = other.of(lambda way: at_boot.route(way, to, via)) if other.ways else found
            if kept.persistent:
                return kept
    return found


def default_kept(fleet: Fleet, node: Node, facts: NodeFacts) -> Kept:
    """Of the default route on the interfaces of control networks."""
    found = [
        _boot(facts, name).of(at_boot.default)
        for name in sorted(routing.control_interfaces(fleet, node, facts.network))
    ]
    for wanted in (True, None):
        if right := next((kept for kept in found if kept.persistent is wanted), None):
            return right
    return found[0] if found else _boot(facts, "").of(at_boot.default)


def _boot(facts: NodeFacts, interface: str) -> Boot:
    if facts.setup is not None and not interface:
        return Boot(unknown=_NO_INTERFACE)
    return at_boot.boot(facts.setup, interface)
