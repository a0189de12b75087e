"""What must be true beside what is: the network part of a node's status."""

from __future__ import annotations

from ipaddress import IPv4Address

from msgspec import Struct
from msgspec.structs import replace as _with

from fleetctl.model.expectations import (
    Expectations,
    ExpectedReach,
    ExpectedRoute,
    has_internet,
    sample,
)
from fleetctl.model.facts import NetworkFacts, NodeFacts
from fleetctl.model.network import Route
from fleetctl.model.questions import Depth
from fleetctl.model.status import AddressStatus, ForwardingStatus, ReachStatus, RouteStatus
from fleetctl.model.topology import Fleet, Node

DEFAULT_TO = "0.0.0.0/0"
LEFT_TO_CHECK = "left to `fleetctl check`, which waits for the silence"


class Rows(Struct, frozen=True):
    """One node's comparison."""

    addresses: tuple[AddressStatus, ...]
    routes: tuple[RouteStatus, ...]
    forwarding: ForwardingStatus
    reachability: tuple[ReachStatus, ...]


def compare(
    fleet: Fleet,
    expectations: Expectations,
    node: Node,
    facts: NodeFacts | None,
    depth: Depth,
    why_unknown: str,
) -> Rows:
    """Hold ``facts`` against what must be true of ``node``.

    :param why_unknown: the reason for every null when there are no facts.
    """
    routes = expectations.routes_of(node.name)
    reach = expectations.reach_of(node.name)
    forwards = node.name in expectations.forwarding
    if facts is None:
        expected_default = [_no_default(why_unknown)] if has_default(fleet, node) else []
        return Rows(
            addresses=tuple(
                AddressStatus(network, str(address), reason=why_unknown)
                for network, address in node.addresses.items()
            ),
            routes=tuple(
                [RouteStatus(str(r.to), r.kind, str(r.via), reason=why_unknown) for r in routes]
                + expected_default
            ),
            forwarding=ForwardingStatus(expected=forwards, reason=why_unknown),
            reachability=tuple(
                ReachStatus(str(r.to), r.peer, r.network, r.expected, reason=why_unknown)
                for r in reach
            ),
        )
    rows = [_route(fleet, facts, r) for r in routes]
    if has_default(fleet, node):
        rows.append(_default(fleet, node, facts))
    return Rows(
        addresses=tuple(_address(facts, n, a) for n, a in node.addresses.items()),
        routes=tuple(rows),
        forwarding=_forwarding(facts, forwards),
        reachability=tuple(_reach(facts, r, depth) for r in reach),
    )


def has_default(fleet: Fleet, node: Node) -> bool:
    """Whether a default route over a control network is expected of ``node``."""
    on_control = any(fleet.networks[name].control for name in node.addresses)
    return on_control and has_internet(fleet, node)


def _address(facts: NodeFacts, network: str, address: IPv4Address) -> AddressStatus:
    row = AddressStatus(network, str(address))
    if facts.network.interfaces is None:
        return _with(row, reason=facts.unknown.get("interfaces", "not told"))
    interface = facts.network.interface_of(address)
    if interface is None:
        return _with(row, ok=False, reason="no interface has it")
    why = None if interface.up else f"{interface.name} {state_of(interface.enabled)}"
    return _with(row, interface=interface.name, up=interface.up, ok=interface.up, reason=why)


def state_of(enabled: bool) -> str:
    """What is wrong with an interface that is not up."""
    return "has no carrier" if enabled else "is switched off"


def exact_route(network: NetworkFacts, to: str) -> Route | None:
    """The table's entry for just this destination that ordinary packets follow."""
    return next(
        (r for r in network.routes or () if str(r.to) == to and not r.scoped and not r.cloned), None
    )


def _route(fleet: Fleet, facts: NodeFacts, expected: ExpectedRoute) -> RouteStatus:
    row = RouteStatus(str(expected.to), expected.kind, str(expected.via))
    asked = sample(fleet, expected.network, expected.node)
    taken = facts.network.taken.get(asked)
    entry = exact_route(facts.network, row.to)
    if taken is None and facts.network.routes is None:
        why = facts.unknown.get(f"way to {asked}") or facts.unknown.get("routes", "not told")
        return _with(row, reason=why)
    if taken is None:
        via = str(entry.via) if entry and entry.via else None
        return _with(
            row,
            via=via,
            interface=entry.interface if entry else None,
            ok=entry is not None and entry.via == expected.via,
        )
    if taken.error is not None:
        return _with(row, ok=False, reason=taken.error)
    amiss: str | None = None
    if entry is not None and entry.dead:
        amiss = f"{taken.interface} has no carrier"
    elif entry is None and _by_luck(fleet, facts, expected):
        amiss = "there is no route: only the default route, which leads astray, goes there"
    return _with(
        row,
        via=str(taken.via) if taken.via else None,
        interface=taken.interface,
        ok=taken.via == expected.via and amiss is None,
        reason=amiss,
    )


def _by_luck(fleet: Fleet, facts: NodeFacts, expected: ExpectedRoute) -> bool:
    """The way is right because a stolen default route happens to lead to the same gateway."""
    if thief(fleet, fleet.nodes[expected.node], facts) is None:
        return False
    table = facts.network.routes
    return table is not None and not any(
        r.to.prefixlen and r.to.supernet_of(expected.to) and not (r.scoped or r.cloned)
        for r in table
    )


def default_taken(fleet: Fleet, facts: NodeFacts) -> tuple[IPv4Address | None, str] | None:
    """Gateway and interface that packets to the internet take; None where not known or no way."""
    taken = facts.network.taken.get(fleet.internet) if fleet.internet else None
    if taken is not None:
        return (taken.via, taken.interface) if taken.interface else None
    best = min(default_routes(facts.network), key=lambda r: r.metric, default=None)
    return (best.via, best.interface) if best else None


def default_routes(network: NetworkFacts) -> list[Route]:
    """Every default route that ordinary packets could follow."""
    return [r for r in network.routes or () if r.to.prefixlen == 0 and not r.scoped]


def _no_default(why: str) -> RouteStatus:
    return RouteStatus(DEFAULT_TO, "default", None, reason=why)


def _default(fleet: Fleet, node: Node, facts: NodeFacts) -> RouteStatus:
    taken = default_taken(fleet, facts)
    if taken is None:
        known = facts.network.routes is not None and not default_routes(facts.network)
        why = "there is no default route" if known else facts.unknown.get("routes", "not told")
        return _with(_no_default(why), ok=False if known else None)
    via, interface = taken
    return _with(
        _no_default(""),
        reason=None,
        via=str(via) if via else None,
        interface=interface,
        ok=thief(fleet, node, facts) is None,
    )


def control_interfaces(fleet: Fleet, node: Node, facts: NodeFacts) -> frozenset[str]:
    """The interfaces that have the node's addresses on control networks."""
    control = (a for name, a in node.addresses.items() if fleet.networks[name].control)
    return frozenset(i.name for a in control if (i := facts.network.interface_of(a)) is not None)


def thief(fleet: Fleet, node: Node, facts: NodeFacts) -> str | None:
    """The cluster network that took the default route away from the control network.

    A way that belongs to no network of nodes.yaml, such as a VPN's, is the user's own choice.
    """
    taken = default_taken(fleet, facts)
    if taken is None:
        return None
    via, interface = taken
    if interface in control_interfaces(fleet, node, facts):
        return None
    for name, address in node.addresses.items():
        if fleet.networks[name].control:
            continue
        own = facts.network.interface_of(address)
        if (own and own.name == interface) or (via and via in fleet.networks[name].cidr):
            return name
    return None


def _forwarding(facts: NodeFacts, expected: bool) -> ForwardingStatus:
    now = facts.network.forwarding
    if now is None:
        reason = facts.unknown.get("forwarding", "not told")
        return ForwardingStatus(expected=expected, reason=reason)
    return ForwardingStatus(
        expected=expected,
        ipv4=now,
        persistent=facts.network.forwarding_persistent,
        # one who forwards without need harms nobody: every machine with containers does
        ok=now or not expected,
    )


def _reach(facts: NodeFacts, expected: ExpectedReach, depth: Depth) -> ReachStatus:
    row = ReachStatus(str(expected.to), expected.peer, expected.network, expected.expected)
    if not expected.expected and depth == "status":
        return _with(row, reason=LEFT_TO_CHECK)
    echo = facts.network.echoes.get(expected.to)
    if echo is None:
        why = facts.unknown.get(f"echo {expected.to}") or facts.unknown.get("echoes", "not told")
        return _with(row, reason=why)
    knocked = facts.network.answers_tcp.get(expected.to)
    observed = echo.received > 0 or bool(knocked)
    reason = echo.error
    if not echo.received and knocked:
        reason = "no echo came back, but its SSH port answers: a firewall drops pings"
    lost = None
    if echo.sent > 1 and echo.received:
        lost = round(100 * (1 - min(1, echo.received / echo.sent)), 1)
    return _with(
        row,
        observed=observed,
        rtt_ms=echo.rtt_min_ms,
        loss_percent=lost,
        ok=observed == expected.expected,
        reason=None if echo.received else reason,
    )
