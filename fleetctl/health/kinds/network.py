"""Kinds of problems with a node's own network: addresses, links, routes, forwarding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address

from fleetctl.health.finding import Finding
from fleetctl.health.kinds.kind import FindingKind, ProblemKind
from fleetctl.health.repairs import boot_files, linux, macos, network_services, networkmanager
from fleetctl.health.repairs.ports import interface_unknown
from fleetctl.health.repairs.routes import why_detour_stays
from fleetctl.health.repairs.target import Remedies, Remedy, RepairTarget, no_remedy, nothing_live
from fleetctl.model.topology import Fleet, Network
from fleetctl.quantities import listed

_NAMED = 3
"""Of addresses that fare alike, how many are named."""
_CANNOT_PASS = "cannot reach it or what is behind it"
_NOT_THERE = "cannot reach it there, or what is behind it"
_CUT_OFF_NODES = "nodes that get no answer from somewhere, because of this"

# why nothing can be done


def _routers_mask(target: RepairTarget) -> str:
    finding = target.finding
    if not target.by_dhcp or finding.network is None:
        return ""
    return (
        f"{finding.node} gets its address on {finding.network.name} by DHCP, and the mask with it: "
        f"change {finding.network.cidr} in nodes.yaml, or the router"
    )


def _is_a_cable(target: RepairTarget) -> str:
    finding = target.finding
    what = "join its Wi-Fi again" if _over_the_air(finding) else "look at its cable"
    return f"{finding.interface} is switched on: {what}" if finding.enabled else ""


def _over_the_air(finding: Finding) -> bool:
    return finding.network is not None and finding.network.kind == "wifi"


def _no_other_default(target: RepairTarget) -> str:
    return f"{target.finding.node} has no other default route to go back to"


# values for the summaries


def _named(network: Network | None) -> str:
    return f"{network.name} ({network.cidr})" if network else "?"


def _of(network: Network | None) -> str:
    return f"{network.cidr} on {network.name}" if network else "?"


def _owner(fleet: Fleet, address: IPv4Address | None) -> str:
    for node in fleet.nodes.values():
        if address in node.addresses.values():
            return f"{node.name} ({address})"
    return str(address)


def _addresses(_fleet: Fleet, found: Sequence[Finding]) -> Mapping[str, str]:
    parts = []
    for f in found:
        there = f" (it has {', '.join(map(str, f.found))} there)" if f.found else ""
        parts.append(f"{f.address} on {f.network.name if f.network else '?'}{there}")
    return {"addresses": " and ".join(parts)}


def _unleased(_fleet: Fleet, found: Sequence[Finding]) -> Mapping[str, str]:
    parts = []
    for f in found:
        there = f"; it has {listed(list(map(str, f.found[:_NAMED])))}" if f.found else ""
        parts.append(f"{_of(f.network)} (dhcp{there})")
    return {"networks": " and ".join(parts)}


def _masks(_fleet: Fleet, found: Sequence[Finding]) -> Mapping[str, str]:
    parts = []
    for f in found:
        had = " and ".join(f"/{length}" for length in f.masks)
        right = f.network.cidr.prefixlen if f.network else "?"
        name = f.network.name if f.network else "?"
        parts.append(f"{f.address} on {name} with the mask {had}, and not /{right}")
    return {"addresses": " and ".join(parts)}


def _twins(_fleet: Fleet, found: Sequence[Finding]) -> Mapping[str, str]:
    parts = []
    for f in found:
        own = f", and not its own {f.address}" if f.address else ""
        on = f.network.name if f.network else "?"
        parts.append(f"{f.found[0]} on {f.interface}, the address of {f.twin_of} on {on}{own}")
    return {"what": f"{found[0].node} has {' and '.join(parts)}"}


def _not_kept(_fleet: Fleet, found: Sequence[Finding]) -> Mapping[str, str]:
    own = [f"{f.address} on {f.network.name}" if f.network else str(f.address) for f in found]
    return {"addresses": " and ".join(own), "instead": _at_boot(found)}


def _ways_not_kept(fleet: Fleet, found: Sequence[Finding]) -> Mapping[str, str]:
    own = [
        f"route to {_named(f.network)} via {_owner(fleet, f.address)}"
        if f.network
        else "default route"
        for f in found
    ]
    return {"routes": " and its ".join(own), "instead": _at_boot(found)}


def _at_boot(found: Sequence[Finding]) -> str:
    return "; ".join(dict.fromkeys(f.at_boot for f in found))


def _links(_fleet: Fleet, found: Sequence[Finding]) -> Mapping[str, str]:
    parts = []
    for f in found:
        net = _named(f.network)
        why = f"is switched off, so {net} is cut"
        if f.enabled and _over_the_air(f):
            why = f"has no carrier: it is not connected to {net}"
        elif f.enabled:
            why = f"has no carrier: the cable to {net} is out, or its other end is off"
        parts.append(f"{f.interface} {why}")
    return {"links": " and ".join(parts)}


def _routes(fleet: Fleet, found: Sequence[Finding]) -> Mapping[str, str]:
    parts = [f"to {_named(f.network)} via {_owner(fleet, f.address)}" for f in found]
    return {"routes": " and ".join(parts)}


def _wrong_ways(fleet: Fleet, found: Sequence[Finding]) -> Mapping[str, str]:
    parts = []
    for f in found:
        there = _owner(fleet, f.found[0]) if f.found else f.entry.type if f.entry else "?"
        parts.append(f"{_named(f.network)} via {there} instead of {_owner(fleet, f.address)}")
    return {"ways": " and to ".join(parts)}


def _setting(_fleet: Fleet, found: Sequence[Finding]) -> Mapping[str, str]:
    return {"setting": found[0].setting}


def _default(fleet: Fleet, found: Sequence[Finding]) -> Mapping[str, str]:
    first = found[0]
    into = f" into {first.network.name}" if first.network else ""
    via = f"via {_owner(fleet, first.found[0])}" if first.found else "without a next hop"
    return {"way": f"leads{into} by {_device(first)} {via}"}


def _device(finding: Finding) -> str:
    """The finding's interface, and the program to which it belongs."""
    return f"{finding.interface} ({finding.owner.name})" if finding.owner else finding.interface


def _astray(fleet: Fleet, found: Sequence[Finding]) -> Mapping[str, str]:
    parts = []
    for f in found:
        shown = [_owner(fleet, a) for a in f.found[:_NAMED]]
        if len(f.found) > _NAMED:
            shown.append(f"{len(f.found) - _NAMED} more")
        where = f"leave by {_device(f)} instead of by {f.instead}"
        if not f.interface:
            where = f"do not leave by {f.instead}: a route drops them"
        parts.append(f"packets to {listed(shown)} {where}")
    return {"ways": "; ".join(parts)}


# kinds

ADDRESS_MISSING = FindingKind(
    "address-missing",
    "error",
    "{node} does not have its address {addresses}",
    _CUT_OFF_NODES,
    {
        "linux": Remedy(linux.address, networkmanager.address, interface_unknown),
        "macos": Remedy(macos.address, network_services.address, interface_unknown),
    },
    stops_start=True,
    words=_addresses,
    consequence=_NOT_THERE,
)
LEASE_MISSING = FindingKind(
    "lease-missing",
    "error",
    "{node} has no address in {networks}",
    _CUT_OFF_NODES,
    no_remedy("only the DHCP server gives one"),
    stops_start=True,
    words=_unleased,
    consequence=_NOT_THERE,
)
ADDRESS_WRONG_PREFIX = FindingKind(
    "address-wrong-prefix",
    "error",
    "{node} has its address {addresses}",
    _CUT_OFF_NODES,
    {
        "linux": Remedy(linux.prefix, networkmanager.address, _routers_mask),
        "macos": Remedy(macos.prefix, network_services.address, _routers_mask),
    },
    stops_start=True,
    words=_masks,
    consequence=_CANNOT_PASS,
)
ADDRESS_DUPLICATE = FindingKind(
    "address-duplicate",
    "error",
    "{what}",
    "nodes that talk to that address, and the one that it belongs to",
    {
        "linux": Remedy(linux.single_address, networkmanager.single_address),
        "macos": Remedy(macos.single_address, network_services.single_address),
    },
    stops_start=True,
    words=_twins,
    consequence="may talk to the wrong one of the two",
)
_NOT_AT_BOOT = "what switches an interface off at boot is not known, and most boots switch it on"
ADDRESS_WRONG_INTERFACE = ProblemKind(
    "address-wrong-interface",
    "warning",
    "{node} has its address {ports}",
    "nothing by itself",
    no_remedy("whether the port or nodes.yaml is right is the user's to say"),
)
INTERFACE_DOWN = FindingKind(
    "interface-down",
    "error",
    "{node}: {links}",
    _CUT_OFF_NODES,
    {
        "linux": Remedy(linux.link_up, _NOT_AT_BOOT, _is_a_cable),
        "macos": Remedy(macos.link_up, _NOT_AT_BOOT, _is_a_cable),
    },
    stops_start=True,
    words=_links,
    consequence=_NOT_THERE,
)
_LEAD_RIGHT: Remedies = {
    "linux": Remedy(linux.routes, networkmanager.routes),
    "macos": Remedy(macos.routes, network_services.routes),
}
ROUTE_MISSING = FindingKind(
    "route-missing",
    "error",
    "{node} has no route {routes}",
    _CUT_OFF_NODES,
    _LEAD_RIGHT,
    stops_start=True,
    words=_routes,
    consequence=_CANNOT_PASS,
)
ROUTE_WRONG_GATEWAY = FindingKind(
    "route-wrong-gateway",
    "error",
    "{node} sends packets to {ways}",
    _CUT_OFF_NODES,
    _LEAD_RIGHT,
    stops_start=True,
    words=_wrong_ways,
    consequence=_CANNOT_PASS,
)
ROUTE_WRONG_INTERFACE = FindingKind(
    "route-wrong-interface",
    "error",
    "{node}: {ways}",
    f"{_CUT_OFF_NODES}; instances whose data takes the wrong way",
    {
        "linux": Remedy(linux.detour, networkmanager.detour, why_detour_stays),
        "macos": Remedy(macos.detour, network_services.detour, why_detour_stays),
    },
    stops_start=True,
    words=_astray,
    consequence="get no answer from it or through it",
)
RETURN_ROUTE_MISSING = FindingKind(
    "return-route-missing",
    "error",
    "{node} has no way back {routes}",
    "nodes that get no answer from this one",
    _LEAD_RIGHT,
    stops_start=True,
    words=_routes,
    consequence="get no answer from it",
)
FORWARDING_OFF = FindingKind(
    "forwarding-off",
    "error",
    "{node} does not forward packets ({setting} is 0)",
    "nodes that reach something only through this one",
    {
        "linux": Remedy(linux.forwarding, boot_files.forwarding_on_linux),
        "macos": Remedy(macos.forwarding, boot_files.forwarding_on_macos),
    },
    stops_start=True,
    words=_setting,
    consequence="cannot reach what lies behind it",
)
FORWARDING_NOT_PERSISTENT = FindingKind(
    "forwarding-not-persistent",
    "warning",
    "{node} forwards packets now, but not after its next boot: {setting} sets it",
    "nothing yet",
    {
        "linux": Remedy(nothing_live, boot_files.forwarding_on_linux),
        "macos": Remedy(nothing_live, boot_files.forwarding_on_macos),
    },
    words=_setting,
)
ADDRESS_NOT_PERSISTENT = FindingKind(
    "address-not-persistent",
    "warning",
    "{node} has its address {addresses} now, but not after its next boot: {instead}",
    "nothing yet",
    {
        "linux": Remedy(nothing_live, networkmanager.address),
        "macos": Remedy(nothing_live, network_services.address),
    },
    words=_not_kept,
)
ROUTE_NOT_PERSISTENT = FindingKind(
    "route-not-persistent",
    "warning",
    "{node} has its {routes} now, but not after its next boot: {instead}",
    "nothing yet",
    {
        "linux": Remedy(nothing_live, networkmanager.routes),
        "macos": Remedy(nothing_live, network_services.routes),
    },
    words=_ways_not_kept,
)
DEFAULT_ROUTE_STOLEN = FindingKind(
    "default-route-stolen",
    "error",
    "the default route of {node} {way}, not to the internet",
    _CUT_OFF_NODES,
    {
        "linux": Remedy(linux.default_route, networkmanager.no_default_route, _no_other_default),
        "macos": Remedy(macos.default_route, network_services.address, _no_other_default),
    },
    words=_default,
    consequence=_CANNOT_PASS,
)
RP_FILTER_STRICT = FindingKind(
    "rp-filter-strict",
    "warning",
    "{node} drops packets that come in another way than answers would leave "
    "(rp_filter is 1 on {interfaces})",
    "nothing by itself",
    {
        "linux": Remedy(linux.loose_filter, boot_files.loose_filter),
        "macos": "macOS has no reverse-path filter",
    },
    words=lambda _fleet, found: {"interfaces": ", ".join(f.interface for f in found)},
)

KINDS = (
    ADDRESS_MISSING,
    LEASE_MISSING,
    ADDRESS_WRONG_PREFIX,
    ADDRESS_DUPLICATE,
    ADDRESS_WRONG_INTERFACE,
    INTERFACE_DOWN,
    ROUTE_MISSING,
    ROUTE_WRONG_GATEWAY,
    ROUTE_WRONG_INTERFACE,
    RETURN_ROUTE_MISSING,
    FORWARDING_OFF,
    FORWARDING_NOT_PERSISTENT,
    ADDRESS_NOT_PERSISTENT,
    ROUTE_NOT_PERSISTENT,
    DEFAULT_ROUTE_STOLEN,
    RP_FILTER_STRICT,
)
