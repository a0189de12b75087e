"""What a node's own facts show to be wrong with its network, before anybody asks for the cause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from typing import Literal

from msgspec import Struct

from fleetctl.health.network.rows import Rows, exact_route, state_of, thief
from fleetctl.model.facts import NodeFacts
from fleetctl.model.network import Interface
from fleetctl.model.topology import Fleet, Node

Code = Literal[
    "address-missing",
    "interface-down",
    "route-missing",
    "route-wrong-gateway",
    "return-route-missing",
    "forwarding-off",
    "default-route-stolen",
    "forwarding-not-persistent",
    "rp-filter-strict",
    "wifi-power-save",
    "sleep-enabled",
]
ROUTE_CODES = frozenset({"route-missing", "route-wrong-gateway", "return-route-missing"})
LINK_CODES = frozenset({"address-missing", "interface-down"})

_STEMS: Mapping[str, tuple[str, ...]] = {
    "wifi": ("wl", "en"),
    "thunderbolt": ("thunderbolt", "bridge"),
    "ethernet": ("eth", "en", "eno", "enp", "end"),
}
"""How interfaces of a kind of network begin on Linux and macOS; any name fits another kind."""


class Finding(Struct, frozen=True):
    """One thing that is wrong on one node, by that node's own words."""

    code: Code
    node: str
    network: str
    """The network it is about: where the address belongs, or where the route leads."""
    expected: str = ""
    """The address that is missing, or the gateway of the route."""
    found: str = ""
    """What is there instead: another address, another gateway; empty for nothing."""
    interface: str = ""
    """Where it is wrong, as far as that is known: of the address, of the wrong or stolen route."""
    enabled: bool = True
    """For ``interface-down``: it is switched on, so it is the cable and not a setting."""
    evidence: str = ""


def findings(fleet: Fleet, node: Node, facts: NodeFacts, rows: Rows) -> Iterator[Finding]:
    """What is wrong on ``node``; what follows from a dead link of its own is left out."""
    dead: set[str] = set()
    for row in rows.addresses:
        if row.ok is False:
            dead.add(row.network)
            yield _address(fleet, node, facts, row.network, row.expected, row.interface)
    os = facts.system.os if facts.system else None
    for route in rows.routes:
        if route.ok is not False or route.kind == "default":
            continue
        link = fleet.network_of(IPv4Address(route.expected_via or 0)) or ""
        if route.via == route.expected_via and exact_route(facts.network, route.to):
            continue  # as it must be, on a dead link: that is told already
        if link in dead and not _keeps_routes(fleet, facts, link):
            continue
        yield _route(fleet, node, facts, route.to, route.kind, str(route.expected_via), os)
    if rows.forwarding.ok is False:
        key = "net.inet.ip.forwarding" if os == "macos" else "net.ipv4.ip_forward"
        yield Finding(
            "forwarding-off", node.name, "", expected="1", found="0", evidence=f"{key}: 0"
        )
    default = next((r for r in rows.routes if r.kind == "default"), None)
    if default and default.ok is False and default.interface:
        yield Finding(
            "default-route-stolen",
            node.name,
            thief(fleet, node, facts) or "",
            found=default.via or "",
            interface=default.interface,
            evidence=f"{_asks(os)} {fleet.internet}: via {default.via} on {default.interface}",
        )


def _keeps_routes(fleet: Fleet, facts: NodeFacts, network: str) -> bool:
    """Whether the system leaves routes on a dead link alone: its own route is there still.

    NetworkManager and macOS take them all away, the kernel of Linux by itself does not.
    """
    return exact_route(facts.network, str(fleet.networks[network].cidr)) is not None


def _asks(os: str | None) -> str:
    return "route -n get" if os == "macos" else "ip route get"


def _address(
    fleet: Fleet,
    node: Node,
    facts: NodeFacts,
    network: str,
    expected: str,
    interface: str | None,
) -> Finding:
    table = facts.network.interfaces or ()
    if interface is not None:
        found = next(i for i in table if i.name == interface)
        return _down(node, network, found, expected)
    candidates = _candidates(fleet, node, facts, network)
    unplugged = [i for i in candidates if not i.up]
    if len(unplugged) == 1:
        # NetworkManager and macOS take the address away with the carrier
        return _down(node, network, unplugged[0], expected)
    others = [str(a.ip) for i in table for a in i.addresses if a.ip in fleet.networks[network].cidr]
    where = candidates[0].name if len(candidates) == 1 else ""
    seen = ", ".join(f"{i.name} {' '.join(map(str, i.addresses)) or '-'}" for i in table[:8])
    return Finding(
        "address-missing",
        node.name,
        network,
        expected=expected,
        found=", ".join(others),
        interface=where,
        evidence=f"interfaces: {seen}",
    )


def _down(node: Node, network: str, interface: Interface, expected: str) -> Finding:
    what = state_of(interface.enabled)
    return Finding(
        "interface-down",
        node.name,
        network,
        expected=expected,
        interface=interface.name,
        enabled=interface.enabled,
        evidence=f"{interface.name} {what}",
    )


def _candidates(fleet: Fleet, node: Node, facts: NodeFacts, network: str) -> list[Interface]:
    """Interfaces that could be the node's end of ``network``: of its kind, and nobody else's."""
    taken = {
        own.name
        for name, address in node.addresses.items()
        if name != network and (own := facts.network.interface_of(address))
    }
    stems = _STEMS.get(fleet.networks[network].kind, ("",))
    return [
        i
        for i in facts.network.interfaces or ()
        if i.name not in taken
        and i.name.startswith(stems)
        and not any(
            not a.is_loopback and a.ip not in fleet.networks[network].cidr for a in i.addresses
        )
    ]


def _route(
    fleet: Fleet,
    node: Node,
    facts: NodeFacts,
    to: str,
    kind: str,
    expected: str,
    os: str | None,
) -> Finding:
    network = next(name for name, n in fleet.networks.items() if str(n.cidr) == to)
    entry = exact_route(facts.network, to)
    missing: Code = "return-route-missing" if kind == "return" else "route-missing"
    row = next(
        (t for a, t in facts.network.taken.items() if a in fleet.networks[network].cidr), None
    )
    asked = f"{_asks(os)} {row.to}: " if row else "routing table: "
    if row is None or row.error:
        said = (row.error if row else "") or (f"{to} via {entry.via}" if entry else f"no {to}")
    else:
        said = f"via {row.via} on {row.interface}" if row.via else f"on {row.interface} directly"
    code: Code = missing
    found = ""
    if entry is not None and str(entry.via) != expected:
        code, found = "route-wrong-gateway", str(entry.via) if entry.via else entry.type
    elif row is not None and row.via and not _is_default(facts, row.via, row.interface):
        code, found = "route-wrong-gateway", str(row.via)
    return Finding(
        code,
        node.name,
        network,
        expected=expected,
        found=found,
        interface=entry.interface if entry else "",
        evidence=f"{asked}{said}",
    )


def _is_default(facts: NodeFacts, via: object, interface: str | None) -> bool:
    return any(
        r.to.prefixlen == 0 and r.via == via and r.interface == interface
        for r in facts.network.routes or ()
    )
