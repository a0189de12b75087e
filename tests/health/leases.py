"""Fleets in which DHCP gives addresses."""

from __future__ import annotations

from msgspec.structs import replace

from fleetctl.model.topology import Fleet


def with_dhcp(fleet: Fleet, name: str, network: str) -> Fleet:
    """``fleet`` as nodes.yaml has it with ``dhcp`` for the address of a node on a network."""
    node = fleet.nodes[name]
    addresses = {n: a for n, a in node.addresses.items() if n != network}
    leased = replace(node, addresses=addresses, leased=node.leased | {network})
    return replace(fleet, nodes={**fleet.nodes, name: leased})
