"""Which machines a cable joins: Thunderbolt by the UUIDs of its ends, Ethernet by MAC addresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from msgspec import Struct

from fleetctl.discovery.interfaces import medium, real, usable
from fleetctl.model.facts import NodeFacts
from fleetctl.model.network import Heard, Interface

T = TypeVar("T")
End = tuple[str, str]
"""A node and its interface."""


class Joined(Struct, frozen=True):
    """Nodes that share a link which may have no addresses yet."""

    ends: Mapping[str, str]
    """By node: its interface; empty: not known."""
    why: str


class Port(Struct, frozen=True):
    """An Ethernet port with a link and no address."""

    node: str
    interface: Interface

    def __str__(self) -> str:
        return f"{self.node} ({self.interface.name})"


# Thunderbolt


def thunderbolt_cables(facts: Mapping[str, NodeFacts]) -> list[tuple[str, str]]:
    """The pairs of nodes with a Thunderbolt cable between them."""
    owner = {
        port.domain: node
        for node, said in facts.items()
        for port in said.thunderbolt or ()
        if port.domain
    }
    found: dict[frozenset[str], tuple[str, str]] = {}
    for node, said in facts.items():
        for port in said.thunderbolt or ():
            other = owner.get(port.peer or "")
            if other is not None and other != node:
                found.setdefault(frozenset((node, other)), (node, other))
    return list(found.values())


def strangers(said: NodeFacts, facts: Mapping[str, NodeFacts]) -> int:
    """How many Macs at the node's Thunderbolt ports are none of these."""
    known = {port.domain for other in facts.values() for port in other.thunderbolt or ()}
    return sum(bool(p.peer) and p.peer not in known for p in said.thunderbolt or ())


def components(pairs: list[tuple[T, T]]) -> list[list[T]]:
    """The ends in groups that cables join."""
    groups: list[list[T]] = []
    for pair in pairs:
        joined = [group for group in groups if set(group) & set(pair)]
        groups = [group for group in groups if group not in joined]
        groups.append(list(dict.fromkeys([*(n for g in joined for n in g), *pair])))
    return groups


# Ethernet


def bare_ports(facts: Mapping[str, NodeFacts]) -> list[Port]:
    """Ethernet ports with a link and without an address of a network."""
    return [
        Port(node, interface)
        for node, said in facts.items()
        for interface in real(said)
        if interface.enabled
        and interface.link
        and interface.mac
        and not any(map(usable, interface.addresses))
        and medium(said, interface) == "ethernet"
    ]


def ethernet_cables(
    facts: Mapping[str, NodeFacts], heard: Mapping[str, tuple[Heard, ...]]
) -> tuple[list[Joined], list[Port]]:
    """The links of bare ports, and the ports of which it is not known what they are joined with.

    By the MAC addresses in the neighbour tables.

    :param heard: by node: what answered on its wired links.
    """
    ports = {(p.node, p.interface.name): p for p in bare_ports(facts)}
    by_mac = {
        interface.mac: (node, interface.name)
        for node, said in facts.items()
        for interface in real(said)
        if interface.mac
    }
    pairs: list[tuple[End, End]] = []
    for node, interface, mac in _neighbours(facts, heard):
        other = by_mac.get(mac)
        if (node, interface) in ports and other is not None and other[0] != node:
            pairs.append(((node, interface), other))
    joined = []
    for group in components(pairs):
        ends = {node: name for node in facts for owner, name in group if owner == node}
        where = " and ".join(f"{node} ({name})" for node, name in ends.items())
        joined.append(Joined(ends, f"{where}, by their MAC addresses"))
    seen = {end for pair in pairs for end in pair}
    return joined, [port for end, port in ports.items() if end not in seen]


def _neighbours(
    facts: Mapping[str, NodeFacts], heard: Mapping[str, tuple[Heard, ...]]
) -> Iterator[tuple[str, str, str]]:
    """Node, interface, and the MAC address of a machine there."""
    for node, said in facts.items():
        for one in said.network.neighbours or ():
            if one.mac:
                yield node, one.interface, one.mac
        for other in heard.get(node, ()):
            yield node, other.interface, other.mac
