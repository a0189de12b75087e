"""The networks that nodes have addresses on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network

from msgspec import Struct, field

from fleetctl.discovery.draft import DraftNetwork, Noted
from fleetctl.discovery.interfaces import Medium, Place, of_ssh, places
from fleetctl.model.facts import NodeFacts
from fleetctl.model.topology import Fleet

IN_FILE = "in the file"
"""Why a value is there that the file has already."""
_SMALLEST_PREFIX = 8
"""Shorter ones are halves of a default route, as VPNs set them."""


class Found(Struct):
    """What is known so far; later steps add to it."""

    networks: dict[str, DraftNetwork]
    addresses: dict[str, dict[str, Noted[IPv4Address]]]
    """By node and network."""
    notes: dict[str, list[str]]
    """By node."""
    lone: dict[IPv4Network, Place]
    """Subnets that only one node is on."""
    ports: dict[str, dict[str, Noted[str]]]
    """By node and network: the interface for an address that is not there yet."""
    leased: set[tuple[str, str]] = field(default_factory=set)
    """Node and network: the addresses that DHCP gave."""

    def members(self, network: str) -> list[str]:
        return [node for node, own in self.addresses.items() if network in own]


def find_networks(
    facts: Mapping[str, NodeFacts], here: NodeFacts | None, fleet: Fleet | None = None
) -> Found:
    """The subnets that two nodes or more are on, and those that SSH goes over.

    :param facts: by node.
    :param here: of this machine; None: not known.
    :param fleet: what a nodes.yaml says already; it is kept.
    """
    found = Found(
        {},
        {node: {} for node in facts},
        {node: [] for node in facts},
        {},
        {node: {} for node in facts},
    )
    everywhere = [place for node, said in facts.items() for place in places(node, said)]
    over_ssh = {node: address for node, said in facts.items() if (address := of_ssh(said))}
    if fleet:
        everywhere = _keep(found, fleet, everywhere, over_ssh)
    controls = _controls(everywhere, over_ssh, here)
    if any(network.control for network in found.networks.values()):
        controls = set()
    for cidr, there in _grouped(everywhere):
        if any(network.cidr.overlaps(cidr) for network in found.networks.values()):
            for place in there:
                found.notes[place.node].append(
                    f"{place.address} on {place.interface.name} is left out: a network of the "
                    "file has a part of that subnet"
                )
            continue
        nodes = dict.fromkeys(place.node for place in there)
        control = cidr in controls
        if len(nodes) < 2 and not control:
            found.lone[cidr] = there[0]
            continue
        kind = _kind(there)
        name = network_name(found.networks, cidr, kind, len(nodes), control)
        why = ", ".join(f"{p.node} ({p.interface.name})" for p in _first_of_each(there))
        found.networks[name] = DraftNetwork(
            name, cidr, kind, f"{why}; SSH goes over it" if control else why, control=control
        )
        _take(found, name, cidr, there, over_ssh)
    return found


def network_name(
    taken: Collection[str], cidr: IPv4Network, kind: str, members: int, control: bool
) -> str:
    """A name that is not taken: ``wifi``, ``lan``, ``fabric``, ``edge50`` of 192.168.50.0/24."""
    base = {"wifi": "wifi", "thunderbolt": "fabric"}.get(kind, "lan")
    if base == "lan" and not control and members <= 2:
        base = f"edge{cidr.network_address.packed[2]}"
    names = (base if number == 1 else f"{base}-{number}" for number in range(1, 10_000))
    return next(name for name in names if name not in taken)


def known_subnets(facts: Iterable[NodeFacts]) -> list[IPv4Network]:
    """Every subnet that an interface or a route of these machines is about, but for default
    routes: what a new network must not overlap."""
    found: dict[IPv4Network, None] = {}
    for said in facts:
        interfaces = said.network.interfaces or ()
        found.update((a.network, None) for i in interfaces for a in i.addresses)
        found.update((route.to, None) for route in said.network.routes or ())
    return [cidr for cidr in found if cidr.prefixlen >= _SMALLEST_PREFIX]


def _keep(
    found: Found,
    fleet: Fleet,
    everywhere: list[Place],
    over_ssh: Mapping[str, IPv4Address],
) -> list[Place]:
    """Take the networks and addresses of ``fleet``, and what is on them; returns the rest."""
    left = list(everywhere)
    for node in fleet.nodes:
        found.addresses.setdefault(node, {})
    for name, network in fleet.networks.items():
        found.networks[name] = DraftNetwork(
            name, network.cidr, network.kind, IN_FILE, control=network.control
        )
        for node, own in found.addresses.items():
            if node in fleet.nodes and name in fleet.nodes[node].addresses:
                own[name] = Noted(fleet.nodes[node].addresses[name], IN_FILE)
        there = [place for place in left if place.address.ip in network.cidr]
        left = [place for place in left if place not in there]
        _take(found, name, network.cidr, there, over_ssh)
    return left


def _controls(
    everywhere: list[Place], over_ssh: Mapping[str, IPv4Address], here: NodeFacts | None
) -> set[IPv4Network]:
    """The subnets of SSH: those that this machine is on, too; else the most frequent one, since a
    node behind a jump host is reached over a cable."""
    votes: dict[IPv4Network, int] = {}
    for place in everywhere:
        if over_ssh.get(place.node) == place.address.ip:
            votes[place.address.network] = votes.get(place.address.network, 0) + 1
    own = {p.address.network for p in places("", here)} if here else set()
    return votes.keys() & own or set(sorted(votes, key=lambda cidr: -votes[cidr])[:1])


def _grouped(everywhere: list[Place]) -> Iterator[tuple[IPv4Network, list[Place]]]:
    """The addresses by subnet. Of subnets that overlap, the one with most nodes counts."""
    by_cidr: dict[IPv4Network, list[Place]] = {}
    for place in everywhere:
        by_cidr.setdefault(place.address.network, []).append(place)
    order = list(by_cidr)
    by_size = sorted(order, key=lambda c: -len({p.node for p in by_cidr[c]}))
    chosen: dict[IPv4Network, list[Place]] = {}
    for cidr in by_size:
        over = next((other for other in chosen if other.overlaps(cidr)), None)
        if over is None:
            chosen[cidr] = list(by_cidr[cidr])
        else:
            chosen[over] += [p for p in by_cidr[cidr] if p.address.ip in over]
    yield from sorted(chosen.items(), key=lambda pair: order.index(pair[0]))


def _kind(there: list[Place]) -> Medium:
    media = {place.medium for place in there}
    return next(m for m in ("thunderbolt", "wifi", "ethernet") if m in media)


def _first_of_each(there: list[Place]) -> list[Place]:
    return list({place.node: place for place in reversed(there)}.values())[::-1]


def _take(
    found: Found,
    name: str,
    cidr: IPv4Network,
    there: list[Place],
    over_ssh: Mapping[str, IPv4Address],
) -> None:
    """Give each node its address on the network: that of SSH, else the first."""
    owners = {own[name].value: n for n, own in found.addresses.items() if name in own}
    there = sorted(there, key=lambda p: over_ssh.get(p.node) != p.address.ip)
    for place in there:
        node, address = place.node, place.address.ip
        if address in owners:
            if owners[address] != node:
                found.notes[node].append(
                    f"{address} on {place.interface.name} is left out: {owners[address]} has the "
                    "same address"
                )
        elif name in found.addresses[node] and found.addresses[node][name].why == IN_FILE:
            found.notes[node].append(f"has {address} on {place.interface.name}, on {name}")
        elif name in found.addresses[node]:
            found.notes[node].append(
                f"also has {address} on {place.interface.name}, on the same network"
            )
        else:
            owners[address] = node
            if place.leased:
                found.leased.add((node, name))
            found.addresses[node][name] = Noted(address, _why(place, cidr, over_ssh.get(node)))


def _why(place: Place, cidr: IPv4Network, over_ssh: IPv4Address | None) -> str:
    parts = [place.interface.name]
    if place.leased:
        parts.append("by DHCP")
    if place.address.ip == over_ssh:
        parts.append("SSH goes over it")
    if not place.interface.up:
        parts.append("no carrier now")
    if place.address.network != cidr:
        parts.append(f"its mask is /{place.address.network.prefixlen}")
    return ", ".join(parts)


def tell_lone(found: Found) -> None:
    """Note at each node the subnets that no other node is on."""
    for cidr, place in found.lone.items():
        address = f"{place.address.ip} on {place.interface.name}"
        found.notes[place.node].append(f"also has {address}; no other node here is on {cidr}")
