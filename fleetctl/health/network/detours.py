"""Packets that leave a node by an interface which carries none of the networks they should use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.health import routing
from fleetctl.health.finding import Finding
from fleetctl.health.kinds.network import ROUTE_WRONG_INTERFACE
from fleetctl.health.network.rows import Rows
from fleetctl.health.owners import owner
from fleetctl.health.wording import wording
from fleetctl.model.facts import NetworkFacts, NodeFacts
from fleetctl.model.network import Interface, Route, RouteTaken
from fleetctl.model.topology import Fleet, Network, Node

LOOPBACK = ("lo", "lo0")


class _Due(Struct, frozen=True):
    """How packets to an address should leave."""

    network: Network
    """That of the address."""
    link: Network
    """The node's own network that they should use: the same one, or the next hop's."""
    next_hop: IPv4Address | None
    """None: the address is a neighbour's."""
    interface: Interface
    """The one with the node's address on the link."""


def detours(fleet: Fleet, node: Node, facts: NodeFacts, rows: Rows) -> Iterator[Finding]:
    """One finding for each wrong route, with the addresses that were asked and are taken by it."""
    taken_by: dict[tuple[str, str, Route | None], list[IPv4Address]] = {}
    due: dict[str, _Due] = {}
    for to, taken in facts.network.taken.items():
        should = _due(fleet, node, facts.network, rows, to)
        if should is None or _goes_right(facts.network, should, taken):
            continue
        entry = routing.taking(facts.network, taken)
        if entry is None and _for_want_of_a_route(fleet, facts.network, should, taken):
            continue
        if not should.interface.up and not (entry and entry.to.subnet_of(should.network.cidr)):
            continue  # the routes over a dead link may be gone with it
        due[should.network.name] = should
        key = (should.network.name, taken.interface or "", entry)
        taken_by.setdefault(key, []).append(to)
    for (name, interface, entry), addresses in taken_by.items():
        should, first = due[name], facts.network.taken[addresses[0]]
        way = f"via {first.via} on {interface}" if first.via else f"on {interface} directly"
        program = owner(facts, interface)
        yield Finding(
            ROUTE_WRONG_INTERFACE.code,
            node.name,
            should.network,
            address=should.next_hop,
            found=tuple(addresses),
            entry=entry,
            interface=interface,
            instead=should.interface.name,
            owner=program,
            shown_by=f"{wording(facts).asks_way} {first.to}: {first.error or way}",
        )


def marked(rows: Rows, found: Iterable[Finding]) -> Rows:
    """``rows`` with each address that goes astray: an answer over another network is not well."""
    ways = {
        to: f"packets leave by {f.interface or 'no interface'} instead of by {f.instead}"
        for f in found
        if f.code == ROUTE_WRONG_INTERFACE.code
        for to in f.found
    }
    reach = tuple(
        replace(row, astray=True, reason=ways[row.expected.to])
        if row.expected.expected and row.expected.to in ways
        else row
        for row in rows.reachability
    )
    return replace(rows, reachability=reach)


def _due(
    fleet: Fleet, node: Node, network: NetworkFacts, rows: Rows, to: IPv4Address
) -> _Due | None:
    """None: the address need not be reached, or the node's own address is what is wrong."""
    name = fleet.network_of(to)
    expected = next((r.expected for r in rows.routes if r.expected and to in r.expected.to), None)
    link, next_hop = name, None
    if name not in node.addresses:
        next_hop = expected.via if expected else None
        link = fleet.network_of(next_hop) if next_hop else None
    if name is None or link is None or to in node.addresses.values():
        return None
    own = node.addresses.get(link)
    interface = network.interface_of(own) if own else None
    if interface is None:
        return None
    if not any(a.ip == own and (next_hop or to) in a.network for a in interface.addresses):
        return None  # its mask is wrong
    return _Due(fleet.networks[name], fleet.networks[link], next_hop, interface)


def _goes_right(network: NetworkFacts, due: _Due, taken: RouteTaken) -> bool:
    """Whether packets leave by an interface of the network that they should use, or it is not known
    that they do not.

    An interface carries a network if it has the node's address there. So does a second one with
    another address there: on a control network always, for Wi-Fi and Ethernet may both lead there;
    on another one unless it gets no answer at all. While the first one is dead, it may stand in.
    """
    interface = taken.interface
    if interface is None:
        # without an answer to ARP, macOS calls the way to a neighbour rejected; a route that
        # drops packets stands in the table
        return due.next_hop is not None or routing.taking(network, taken) is None
    if interface in (due.interface.name, *LOOPBACK):
        return True
    second = next((i for i in network.interfaces or () if i.name == interface), None)
    if second is None or not any(a.ip in due.link.cidr for a in second.addresses):
        return False
    if due.link.control or not due.interface.up:
        return True
    return not _silent(network, due.link, interface)


def _silent(network: NetworkFacts, link: Network, interface: str) -> bool:
    """Whether nothing of ``link`` that was asked over ``interface`` answered."""
    asked = [
        echo.received > 0 or network.answers_tcp.get(to, False)
        for to, echo in network.echoes.items()
        if to in link.cidr and (t := network.taken.get(to)) and t.interface == interface
    ]
    return bool(asked) and not any(asked)


def _for_want_of_a_route(fleet: Fleet, network: NetworkFacts, due: _Due, taken: RouteTaken) -> bool:
    """Whether packets only follow the default route because there is no other: a missing route."""
    known = any(r.to.prefixlen > 1 and taken.to in r.to for r in routing.routes(network))
    return due.next_hop is not None and not known and routing.by_default(fleet, network, taken)
