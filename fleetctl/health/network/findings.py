"""Findings: what a node's own facts show to be wrong with its network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Interface

from fleetctl.health import routing
from fleetctl.health.finding import Finding
from fleetctl.health.kinds import network as kinds
from fleetctl.health.network.detours import detours
from fleetctl.health.network.rows import AddressRow, RouteRow, Rows, state_of
from fleetctl.health.owners import owner
from fleetctl.health.wording import wording
from fleetctl.model.expectations import ExpectedRoute, sample
from fleetctl.model.facts import NodeFacts
from fleetctl.model.leases import INTERFACE_STEMS
from fleetctl.model.network import Interface
from fleetctl.model.topology import Fleet, Network, Node

ROUTE_CODES = frozenset(
    kind.code
    for kind in (kinds.ROUTE_MISSING, kinds.ROUTE_WRONG_GATEWAY, kinds.RETURN_ROUTE_MISSING)
)
LINK_CODES = frozenset(
    kind.code
    for kind in (
        kinds.ADDRESS_MISSING,
        kinds.ADDRESS_WRONG_PREFIX,
        kinds.INTERFACE_DOWN,
        kinds.LEASE_MISSING,
    )
)


def findings(fleet: Fleet, node: Node, facts: NodeFacts, rows: Rows) -> Iterator[Finding]:
    """What is wrong on ``node``, without what follows from a dead link of its own."""
    dead: set[str] = set()
    links: dict[str, tuple[IPv4Interface, ...]] = {}
    """By network: the wrong masks of the node's address there."""
    for row in rows.addresses:
        if row.ok is not False:
            continue
        if wrong := _wrong_prefixes(row):
            links[row.network.name] = wrong
            yield _wrong_prefix(node, row, wrong)
        else:
            dead.add(row.network.name)
            yield _address(fleet, node, facts, row)
    by_masks = {own.network for masks in links.values() for own in masks}
    strays = [
        found
        for found in detours(fleet, node, facts, rows)
        if not (found.entry and found.entry.to in by_masks)  # the route that a wrong mask brings
    ]
    yield from strays
    astray = {address for finding in strays for address in finding.found}
    for route in rows.routes:
        expected = route.expected
        if route.ok is not False or expected is None:
            continue
        if sample(fleet, expected.network, node.name) in astray:
            continue
        link = fleet.network_of(expected.via) or ""
        if route.via == expected.via and routing.exact(facts.network, expected.to):
            continue  # the route is right, and its dead link is reported already
        if link in dead and not _keeps_routes(fleet, facts, link):
            continue
        if any(expected.via not in own.network for own in links.get(link, ())):
            continue  # with that mask its next hop is not on the link
        yield _route(fleet, facts, expected)
    if rows.forwarding.ok is False:
        key = wording(facts).forwarding
        code = kinds.FORWARDING_OFF.code
        yield Finding(code, node.name, setting=key, shown_by=f"{key}: 0")
    default = rows.default
    if default and default.ok is False and default.interface:
        yield _stolen_default(fleet, node, facts, default)


def _keeps_routes(fleet: Fleet, facts: NodeFacts, network: str) -> bool:
    """Whether the system keeps routes over a dead link: the network's own route is still there.

    NetworkManager and macOS remove them all, the Linux kernel by itself does not.
    """
    return routing.exact(facts.network, fleet.networks[network].cidr) is not None


def _stolen_default(fleet: Fleet, node: Node, facts: NodeFacts, row: RouteRow) -> Finding:
    return Finding(
        kinds.DEFAULT_ROUTE_STOLEN.code,
        node.name,
        routing.default_taken_by(fleet, node, facts.network),
        found=(row.via,) if row.via else (),
        interface=row.interface or "",
        owner=owner(facts, row.interface or ""),
        shown_by=f"{wording(facts).asks_way} {fleet.internet}: via {row.via} on {row.interface}",
    )


def _address(fleet: Fleet, node: Node, facts: NodeFacts, row: AddressRow) -> Finding:
    if row.interface is not None:
        return _down(node, row, row.interface)
    candidates = _candidates(node, facts, row.network)
    unplugged = [i for i in candidates if not i.up]
    if len(unplugged) == 1:
        # without a carrier, NetworkManager and macOS remove the address
        return _down(node, row, unplugged[0])
    table = facts.network.interfaces or ()
    seen = ", ".join(f"{i.name} {' '.join(map(str, i.addresses)) or '-'}" for i in table[:8])
    if row.expected is None:
        return Finding(
            kinds.LEASE_MISSING.code,
            node.name,
            row.network,
            found=tuple(dict.fromkeys(_elsewhere(fleet, facts))),
            interface=candidates[0].name if len(candidates) == 1 else "",
            shown_by=f"interfaces: {seen}",
        )
    return Finding(
        kinds.ADDRESS_MISSING.code,
        node.name,
        row.network,
        address=row.expected,
        found=tuple(a.ip for i in table for a in i.addresses if a.ip in row.network.cidr),
        interface=candidates[0].name if len(candidates) == 1 else "",
        shown_by=f"interfaces: {seen}",
    )


def _elsewhere(fleet: Fleet, facts: NodeFacts) -> Iterator[IPv4Address]:
    """The node's addresses in no network of nodes.yaml, without those of VPNs and the like: one of
    them may be in place of a lease."""
    for interface in facts.network.interfaces or ():
        for own in interface.addresses if interface.up else ():
            outside = not own.ip.is_loopback and fleet.network_of(own.ip) is None
            if outside and owner(facts, interface.name) is None:
                yield own.ip


def _wrong_prefixes(row: AddressRow) -> tuple[IPv4Interface, ...]:
    if row.interface is None or row.expected is None or not row.interface.up:
        return ()
    return tuple(routing.wrong_prefixes(row.interface, row.expected, row.network))


def _wrong_prefix(node: Node, row: AddressRow, wrong: Sequence[IPv4Interface]) -> Finding:
    assert row.interface is not None
    return Finding(
        kinds.ADDRESS_WRONG_PREFIX.code,
        node.name,
        row.network,
        address=row.expected,
        masks=tuple(own.network.prefixlen for own in wrong),
        interface=row.interface.name,
        shown_by=f"{row.interface.name} {' '.join(map(str, wrong))}",
    )


def _down(node: Node, row: AddressRow, interface: Interface) -> Finding:
    return Finding(
        kinds.INTERFACE_DOWN.code,
        node.name,
        row.network,
        address=row.expected,
        interface=interface.name,
        enabled=interface.enabled,
        shown_by=f"{interface.name} {state_of(interface)}",
    )


def _candidates(node: Node, facts: NodeFacts, network: Network) -> list[Interface]:
    """Interfaces that could belong to ``network``: the one that nodes.yaml names, else those of its
    kind that are in use for no other."""
    if declared := node.interfaces.get(network.name):
        return [i for i in facts.network.interfaces or () if i.name == declared]
    taken = {
        own.name
        for name, address in node.addresses.items()
        if name != network.name and (own := facts.network.interface_of(address))
    }
    inside = {
        member for interface in facts.network.interfaces or () for member in interface.members
    }
    stems = INTERFACE_STEMS.get(network.kind, ("",))
    return [
        i
        for i in facts.network.interfaces or ()
        if i.name not in taken | inside
        and i.name.startswith(stems)
        and not any(_of_another(a, network) for a in i.addresses)
    ]


def _of_another(address: IPv4Interface, network: Network) -> bool:
    """Whether it is an address of another network, and not one that a machine gives itself where no
    DHCP server answers (RFC 3927)."""
    ip = address.ip
    return not (ip.is_loopback or ip.is_link_local or ip in network.cidr)


def _route(fleet: Fleet, facts: NodeFacts, expected: ExpectedRoute) -> Finding:
    entry = routing.exact(facts.network, expected.to)
    taken = next((t for a, t in facts.network.taken.items() if a in expected.to), None)
    asked = f"{wording(facts).asks_way} {taken.to}: " if taken else "routing table: "
    if taken is not None and not taken.error:
        said = f"on {taken.interface} directly"
        if taken.via:
            said = f"via {taken.via} on {taken.interface}"
    elif taken is not None and taken.error:
        said = taken.error
    else:
        said = f"{expected.to} via {entry.via}" if entry else f"no {expected.to}"
    kind = kinds.ROUTE_MISSING if expected.kind == "route" else kinds.RETURN_ROUTE_MISSING
    found = None
    if entry is not None and entry.via != expected.via:
        kind, found = kinds.ROUTE_WRONG_GATEWAY, entry.via
    elif taken is not None and taken.via and not _is_default(facts, taken.via, taken.interface):
        kind, found = kinds.ROUTE_WRONG_GATEWAY, taken.via
    return Finding(
        kind.code,
        expected.node,
        fleet.networks[expected.network],
        address=expected.via,
        found=(found,) if found else (),
        entry=entry,
        interface=entry.interface if entry else "",
        shown_by=f"{asked}{said}",
    )


def _is_default(facts: NodeFacts, via: object, interface: str | None) -> bool:
    return any(
        r.via == via and r.interface == interface for r in routing.scoped_defaults(facts.network)
    )
