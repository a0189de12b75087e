"""Whether addresses and routes that nodes.yaml implies are there after a node's next boot."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Interface

from fleetctl.health import at_boot, routing
from fleetctl.health.at_boot import LEFT_TO_CHECK, Boot, Kept
from fleetctl.model.expectations import ExpectedRoute
from fleetctl.model.facts import NodeFacts
from fleetctl.model.setup import InterfaceSetup
from fleetctl.model.topology import Fleet, Network, Node

_NO_INTERFACE = "which interface it belongs to is not known"


def address_kept(node: Node, facts: NodeFacts, network: Network) -> Kept:
    """Of the node's address on ``network``.

    On a control network with DHCP the router decides, so that is not known, and no fault. On
    another network such an address counts as the router's only if it was leased. Where nodes.yaml
    says DHCP, any address of the network will do.
    """
    own = node.addresses.get(network.name)
    if own is None:
        return Kept(None, "which interface gets it is not known")
    interface = facts.network.interface_of(own)
    wanted = _with_prefix(own, network.cidr.prefixlen)
    leased = network.control or at_boot.lease(interface, own)

    def judge(way: Sequence[InterfaceSetup]) -> Kept:
        if network.name in node.leased:
            return at_boot.any_address(way, network.cidr)
        return at_boot.address(way, wanted, leased=leased)

    if interface is not None:
        return _boot(facts, interface.name).of(judge)
    declared = node.interfaces.get(network.name, "")
    return _anywhere(facts, judge) or _boot(facts, declared).of(judge)


@lru_cache(maxsize=2048)
def _with_prefix(address: IPv4Address, prefix: int) -> IPv4Interface:
    """To make one takes long, and every look at a node needs the same."""
    return IPv4Interface((address, prefix))


def route_kept(fleet: Fleet, facts: NodeFacts, expected: ExpectedRoute) -> Kept:
    """Of the route on the interface towards its next hop, or on any that brings it."""
    node, to, via = fleet.nodes[expected.node], expected.to, expected.via
    towards = routing.interface_towards(fleet, node, facts.network, via)

    def judge(way: Sequence[InterfaceSetup]) -> Kept:
        return at_boot.route(way, to, via)

    found = _boot(facts, towards).of(judge)
    return found if found.persistent else _anywhere(facts, judge) or found


def _anywhere(facts: NodeFacts, judge: at_boot.Judge) -> Kept | None:
    """A verdict that it is there after a boot, of any interface."""
    for interface in facts.network.interfaces or ():
        boot = _boot(facts, interface.name)
        kept = boot.of(judge) if boot.ways else None
        if kept is not None and kept.persistent:
            return kept
    return None


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
    if facts.setup is None:
        return Boot(unknown=facts.unknown.get("connections-at-boot", LEFT_TO_CHECK))
    return at_boot.boot(facts.setup, interface) if interface else Boot(unknown=_NO_INTERFACE)
