"""Networks and addresses that are not there yet: a subnet for each cable or bridge."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network

from fleetctl.discovery.cables import (
    Joined,
    components,
    ethernet_cables,
    strangers,
    thunderbolt_cables,
)
from fleetctl.discovery.draft import DraftNetwork, Noted
from fleetctl.discovery.interfaces import bridge, medium
from fleetctl.discovery.subnets import Found, network_name
from fleetctl.model.facts import NodeFacts
from fleetctl.model.network import Heard
from fleetctl.model.topology import INTERFACE_PATTERN


def propose(
    found: Found,
    facts: Mapping[str, NodeFacts],
    heard: Mapping[str, tuple[Heard, ...]],
    known: Sequence[IPv4Network],
) -> list[str]:
    """Add to ``found`` what the cables ask for and no node has.

    :param known: subnets that no new one may overlap.
    :returns: what could not be seen, a sentence each.
    """
    proposal = _Proposal(found, facts, [*known, *(n.cidr for n in found.networks.values())])
    for joined in _thunderbolt(facts):
        proposal.add(joined, "thunderbolt")
    cables, left = ethernet_cables(facts, heard)
    for joined in cables:
        proposal.add(joined, "ethernet")
    for node, said in facts.items():
        if count := strangers(said, facts):
            found.notes[node].append(
                f"{count} of its Thunderbolt ports lead to Macs that are not among these hosts"
            )
        if is_mac(said) and said.thunderbolt is None:
            why = said.unknown.get("thunderbolt", "it did not say")
            found.notes[node].append(f"what its Thunderbolt ports lead to is not known: {why}")
    if left:
        proposal.notes.append(
            f"{', '.join(map(str, left))}: Ethernet ports with a link and no address. What they "
            "are joined with could not be seen; where it is one of these nodes, add a network for "
            "the cable, such as 192.168.50.0/24"
        )
    return proposal.notes


def is_mac(said: NodeFacts) -> bool:
    return said.system is not None and said.system.os == "macos"


def _thunderbolt(facts: Mapping[str, NodeFacts]) -> Iterator[Joined]:
    """A bridge joins all Macs that its cables join; without one each cable is a link of its own."""
    pairs = thunderbolt_cables(facts)
    for group in components(pairs):
        nodes = [node for node in facts if node in group]
        bridges = {node: bridge(facts[node]) for node in nodes}
        if all(bridges.values()):
            ends = {node: one.name for node, one in bridges.items() if one}
            yield Joined(ends, f"Thunderbolt cables join {', '.join(nodes)}")
        else:
            for pair in (p for p in pairs if p[0] in group):
                why = f"a Thunderbolt cable joins {pair[0]} and {pair[1]}, which have no bridge"
                yield Joined(dict.fromkeys(pair, ""), why)


class _Proposal:
    def __init__(
        self, found: Found, facts: Mapping[str, NodeFacts], known: list[IPv4Network]
    ) -> None:
        self._found = found
        self._facts = facts
        self._known = known
        self._in_use = {
            neighbour.address
            for said in facts.values()
            for neighbour in said.network.neighbours or ()
            if neighbour.mac
        }
        """Addresses that a machine has, perhaps one that is none of these."""
        self.notes: list[str] = []

    def add(self, joined: Joined, kind: str) -> None:
        """Give each node of a link an address, on the network that some of them are on already,
        else on a new one."""
        found = self._found
        name = self._existing(joined, kind) or self._lone(joined, kind)
        missing = [n for n in joined.ends if name is None or name not in found.addresses[n]]
        if name is None:
            name = self._new(joined, kind)
            if name is None:
                return
        self._give(missing, name, joined)
        self._tell_ports(name, joined)

    def _give(self, missing: Sequence[str], name: str, joined: Joined) -> None:
        """An address on the network to each node that has none."""
        found = self._found
        taken = self._in_use | {own[name].value for own in found.addresses.values() if name in own}
        numbers = (ip for ip in found.networks[name].cidr.hosts() if ip not in taken)
        for node in sorted(missing, key=self._rank):
            end = joined.ends[node]
            why = f"no address on {end or 'that port'} yet"
            address = next(numbers, None)
            if address is None:
                self.notes.append(f"network {name} has no free address for {node}")
                return
            found.addresses[node][name] = Noted(address, why, guessed=True)

    def _tell_ports(self, name: str, joined: Joined) -> None:
        """Which interface each address on the network is for, where none has it."""
        for node, end in joined.ends.items():
            own = self._found.addresses[node].get(name)
            there = own and self._facts[node].network.interface_of(own.value)
            if own and not there and re.fullmatch(INTERFACE_PATTERN, end):
                self._found.ports[node].setdefault(name, Noted(end, joined.why))

    def _rank(self, node: str) -> tuple[bool, int]:
        """A gateway gets the lower number: the node with more networks, and among equal ones a
        Mac, in the order of the hosts."""
        own = self._found.addresses[node]
        data = [n for n in own if not self._found.networks[n].control]
        return not (data or is_mac(self._facts[node])), list(self._facts).index(node)

    def _existing(self, joined: Joined, kind: str) -> str | None:
        """The network that most of the ends are on."""
        counts = {
            name: sum(self._is_on(name, node, end) for node, end in joined.ends.items())
            for name, network in self._found.networks.items()
            if network.kind == kind and not network.control
        }
        best = max(counts, key=lambda name: counts[name], default=None)
        # without the interface an address of one end may belong to another cable
        least = 1 if all(joined.ends.values()) else len(joined.ends)
        return best if best is not None and counts[best] >= least else None

    def _is_on(self, name: str, node: str, end: str) -> bool:
        """Whether the node has an address on the network that its interface ``end`` has, or that no
        interface has yet."""
        own = self._found.addresses[node].get(name)
        if own is None or own.guessed:
            return False
        interface = self._facts[node].network.interface_of(own.value)
        if interface is None or interface.name == end:
            return True
        return not end and medium(self._facts[node], interface) == "thunderbolt"

    def _lone(self, joined: Joined, kind: str) -> str | None:
        """A new network of the subnet that only one end has an address on."""
        for cidr, place in self._found.lone.items():
            if joined.ends.get(place.node) == place.interface.name:
                name = self._add(cidr, kind, joined, guessed=False)
                why = place.interface.name
                self._found.addresses[place.node][name] = Noted(place.address.ip, why)
                del self._found.lone[cidr]
                return name
        return None

    def _new(self, joined: Joined, kind: str) -> str | None:
        free = (c for c in _candidates(kind) if not any(c.overlaps(k) for k in self._known))
        cidr = next(free, None)
        if cidr is None:
            self.notes.append(f"{joined.why}, and no subnet is free for it")
            return None
        return self._add(cidr, kind, joined, guessed=True)

    def _add(self, cidr: IPv4Network, kind: str, joined: Joined, *, guessed: bool) -> str:
        found = self._found
        name = network_name(found.networks, cidr, kind, len(joined.ends), control=False)
        why = f"{joined.why}; no such subnet is in use" if guessed else joined.why
        found.networks[name] = DraftNetwork(name, cidr, kind, why, guessed=guessed)
        self._known.append(cidr)
        return name


def _candidates(kind: str) -> Iterator[IPv4Network]:
    """Private subnets, those first that are the custom for such a link."""
    fabric = [f"10.10.{n}.0/24" for n in range(256)]
    cables = [f"192.168.{n}.0/24" for n in range(50, 250)]
    others = [f"172.{n}.{m}.0/24" for n in (27, 28, 29) for m in range(256)]
    first, second = (fabric, cables) if kind == "thunderbolt" else (cables, fabric)
    yield from map(IPv4Network, [*first, *others, *second])
