"""Addresses that two machines have: two nodes of the fleet, or a node and a machine outside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from ipaddress import IPv4Address

from fleetctl.health.finding import Finding
from fleetctl.health.judged import Judged
from fleetctl.health.kinds.network import ADDRESS_DUPLICATE
from fleetctl.model.expectations import Expectations
from fleetctl.model.facts import NodeFacts
from fleetctl.model.network import Interface, Neighbour
from fleetctl.model.status import Problem
from fleetctl.model.topology import Fleet

Owners = Mapping[IPv4Address, tuple[str, str]]
"""By address: the node that nodes.yaml gives it to, and the network."""


def twins(fleet: Fleet, facts: Mapping[str, NodeFacts]) -> Iterator[Finding]:
    """Nodes that have the address of another node, by their own words."""
    owners = _owners(fleet)
    for name, known in facts.items():
        own = fleet.nodes[name].addresses
        mine = set(own.values())
        for interface in known.network.interfaces or ():
            for address in interface.addresses if interface.enabled else ():
                owner, network = owners.get(address.ip, ("", ""))
                if not owner or owner == name or _same_machine(facts, owner, address.ip, interface):
                    continue
                lost = own.get(network)
                if lost and (known.network.interface_of(lost) or mine & _ips(interface)):
                    lost = None
                yield Finding(
                    ADDRESS_DUPLICATE.code,
                    name,
                    fleet.networks[network],
                    address=lost,
                    found=(address.ip,),
                    interface=interface.name,
                    twin_of=owner,
                    shown_by=f"{interface.name} {address}",
                )


def talking(expectations: Expectations, twin: Finding) -> set[str]:
    """The nodes that a twin address affects: those that talk to it, and its owner."""
    askers = {r.node for r in expectations.reach if r.expected and r.to in twin.found}
    return (askers | {twin.twin_of}) - {twin.node}


def strangers(
    judged: Judged,
    told: Mapping[str, NodeFacts],
    facts: Mapping[str, NodeFacts],
    twins: set[IPv4Address],
) -> Iterator[Problem]:
    """Machines outside the fleet that answer for a node's address, by the nodes' neighbour tables.

    An entry counts if the owner's hardware addresses are known and its own is none of theirs, nor
    of another node, which may be a proxy (proxy ARP), nor one that answers for several addresses,
    as a repeater does. An entry that was not confirmed just now may be old, and a replaced adapter
    explains it, too: it counts as a warning, and only if that address just answered a ping. So does
    any on Wi-Fi, where a repeater in front of one node alone cannot be told from another machine.

    :param told: the interfaces of all nodes of ``facts``, as objects that stay the same.
    :param twins: addresses that two nodes have by their own words.
    """
    fleet = judged.fleet
    owners = judged.of("owners", (), lambda: _owners(fleet))
    machines = judged.of("machines", tuple(told.values()), lambda: _machines(told.values()))
    seen: dict[IPv4Address, list[tuple[str, Neighbour]]] = {}
    for name, known in facts.items():
        table = known.network.neighbours or ()
        others = partial(_of_others, table, machines)
        for entry in judged.of(("others", name), (table, machines), others):
            owner, _network = owners.get(entry.address, ("", ""))
            if (
                entry.address not in twins
                and _tells_macs(facts.get(owner), entry.address)
                and (entry.reachable or _answered(known, entry.address))
            ):
                seen.setdefault(entry.address, []).append((name, entry))
    for address, entries in seen.items():
        owner, network = owners[address]
        sure = fleet.networks[network].kind != "wifi" and any(e.reachable for _, e in entries)
        yield _stranger(facts[owner], owner, network, address, entries, sure=sure)


def _machines(told: Iterable[NodeFacts]) -> frozenset[str]:
    """The hardware addresses of all nodes."""
    return frozenset(
        interface.mac
        for known in told
        for interface in known.network.interfaces or ()
        if interface.mac
    )


def _of_others(table: Sequence[Neighbour], machines: Collection[str]) -> tuple[Neighbour, ...]:
    """The entries of machines outside the fleet that answer for one address."""
    known = [n for n in table if n.state == "known" and n.mac]
    answering = Counter((n.interface, n.mac) for n in known)
    return tuple(n for n in known if n.mac not in machines and answering[n.interface, n.mac] == 1)


def _stranger(
    facts: NodeFacts,
    owner: str,
    network: str,
    address: IPv4Address,
    entries: list[tuple[str, Neighbour]],
    *,
    sure: bool,
) -> Problem:
    own = facts.network.interface_of(address)
    shown = "; ".join(
        f"{name}: {entry.address} at {entry.mac} on {entry.interface}" for name, entry in entries
    )
    return ADDRESS_DUPLICATE.problem(
        owner,
        severity="error" if sure else "warning",
        what=f"another machine ({entries[0][1].mac}) {'has' if sure else 'may have'} {owner}'s "
        f"address {address} on {network}, too",
        affects=tuple(name for name, _ in entries),
        evidence=f"{shown}; {owner}: {own.name if own else '?'} {own.mac if own else '?'}",
    )


def _same_machine(
    facts: Mapping[str, NodeFacts], owner: str, address: IPv4Address, interface: Interface
) -> bool:
    """Whether the owner is this machine, under another name in nodes.yaml."""
    known = facts.get(owner)
    own = known.network.interface_of(address) if known else None
    return own is not None and own.mac is not None and own.mac == interface.mac


def _ips(interface: Interface) -> set[IPv4Address]:
    return {address.ip for address in interface.addresses}


def _owners(fleet: Fleet) -> Owners:
    owners = [
        (network in node.leased, address, node.name, network)
        for node in fleet.nodes.values()
        for network, address in node.addresses.items()
    ]
    # a fixed address is its owner's, also where DHCP gave it to another node
    owners.sort(key=lambda one: not one[0])
    return {address: (name, network) for _, address, name, network in owners}


def _tells_macs(facts: NodeFacts | None, address: IPv4Address) -> bool:
    """Whether the owner of ``address`` says which hardware address it has there."""
    own = facts.network.interface_of(address) if facts else None
    return own is not None and own.mac is not None


def _answered(facts: NodeFacts, address: IPv4Address) -> bool:
    echo = facts.network.echoes.get(address)
    return echo is not None and echo.received > 0
