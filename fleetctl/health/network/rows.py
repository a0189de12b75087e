"""A node's network row by row: each address, route and ping, expected and found."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network

from msgspec import Struct
from msgspec.structs import replace as _with

from fleetctl.health import routing
from fleetctl.health.at_boot import Kept
from fleetctl.health.network.persistence import address_kept, default_kept, route_kept
from fleetctl.health.wording import wording
from fleetctl.model.expectations import (
    Expectations,
    ExpectedReach,
    ExpectedRoute,
    has_internet,
    sample,
)
from fleetctl.model.facts import NodeFacts
from fleetctl.model.network import Interface, PortUse
from fleetctl.model.node_status import AddressStatus, ForwardingStatus, ReachStatus, RouteStatus
from fleetctl.model.questions import Depth
from fleetctl.model.topology import DHCP, Fleet, Network, Node

EVERYWHERE = IPv4Network("0.0.0.0/0")
NOT_JUDGED = Kept(None, "")
LEFT_TO_CHECK = "left to `fleetctl check`, which waits until the ping times out"


class AddressRow(Struct, frozen=True):
    """An address the node must have."""

    network: Network
    expected: IPv4Address | None
    """None: DHCP gives it, and the node has none there, or did not say."""
    interface: Interface | None = None
    """The one that has it."""
    ok: bool | None = None
    reason: str | None = None
    kept: Kept = NOT_JUDGED
    leased: bool = False
    """DHCP gives it."""
    use: PortUse | None = None
    """Of ``interface``; None: not known."""

    def status(self) -> AddressStatus:
        own = self.interface
        return AddressStatus(
            self.network.name,
            str(self.expected or DHCP),
            interface=own.name if own else None,
            up=own.up if own else None,
            ok=self.ok,
            reason=self.reason,
            persistent=self.kept.persistent,
            persistent_reason=self.kept.reason or None,
            dhcp=self.leased,
            in_bytes_per_s=self.use.in_bytes_per_s if self.use else None,
            out_bytes_per_s=self.use.out_bytes_per_s if self.use else None,
        )


class RouteRow(Struct, frozen=True):
    """A route the node must have."""

    expected: ExpectedRoute | None
    """None: the default route."""
    via: IPv4Address | None = None
    interface: str | None = None
    ok: bool | None = None
    reason: str | None = None
    kept: Kept = NOT_JUDGED

    def status(self) -> RouteStatus:
        expected = self.expected
        return RouteStatus(
            str(expected.to if expected else EVERYWHERE),
            expected.kind if expected else "default",
            str(expected.via) if expected else None,
            via=str(self.via) if self.via else None,
            interface=self.interface,
            ok=self.ok,
            reason=self.reason,
            persistent=self.kept.persistent,
            persistent_reason=self.kept.reason or None,
        )


class ReachRow(Struct, frozen=True):
    """Whether the node gets an answer from an address, and whether it should."""

    expected: ExpectedReach
    observed: bool | None = None
    rtt_ms: float | None = None
    """The shortest of those measured."""
    loss_percent: float | None = None
    """None if only one echo request was sent."""
    reason: str | None = None
    astray: bool = False
    """Packets to it leave by an interface that does not lead there, whether or not it answers."""

    @property
    def ok(self) -> bool | None:
        if self.astray:
            return False
        return None if self.observed is None else self.observed == self.expected.expected

    def status(self) -> ReachStatus:
        expected = self.expected
        return ReachStatus(
            str(expected.to),
            expected.peer,
            expected.network,
            expected.expected,
            observed=self.observed,
            rtt_ms=self.rtt_ms,
            loss_percent=self.loss_percent,
            ok=self.ok,
            reason=self.reason,
        )


class Rows(Struct, frozen=True):
    """One node's comparison."""

    addresses: tuple[AddressRow, ...]
    routes: tuple[RouteRow, ...]
    forwarding: ForwardingStatus
    reachability: tuple[ReachRow, ...]

    @property
    def default(self) -> RouteRow | None:
        """The default route's row, where one is expected."""
        return next((row for row in self.routes if row.expected is None), None)


def unknown_rows(fleet: Fleet, expectations: Expectations, node: Node, why: str) -> Rows:
    """What must be true of a node that gave no facts; every row says ``why``."""
    addresses, default = _expected(fleet, node)
    routes = expectations.routes_of(node.name)
    return Rows(
        addresses=tuple(_with(row, reason=why, kept=Kept(None, why)) for row in addresses),
        routes=tuple(
            _with(row, reason=why, kept=Kept(None, why))
            for row in [*map(RouteRow, routes), *default]
        ),
        forwarding=ForwardingStatus(
            expected=node.name in expectations.forwarding,
            reason=why,
            persistent_reason=why,
        ),
        reachability=tuple(ReachRow(r, reason=why) for r in expectations.reach_of(node.name)),
    )


def firm_rows(fleet: Fleet, expectations: Expectations, node: Node, facts: NodeFacts) -> Rows:
    """What must be true of ``node`` beside what is, as far as that is seldom another than before:
    without the pings, and without what goes through ports."""
    addresses, default = _expected(fleet, node)
    routes = expectations.routes_of(node.name)
    return Rows(
        addresses=tuple(
            _with(row, kept=address_kept(node, facts, row.network))
            for row in (_address(facts, row) for row in addresses)
        ),
        routes=(
            *(_with(_route(fleet, facts, r), kept=route_kept(fleet, facts, r)) for r in routes),
            *(
                _with(_default(fleet, node, facts), kept=default_kept(fleet, node, facts))
                for _ in default
            ),
        ),
        forwarding=_forwarding(facts, node.name in expectations.forwarding),
        reachability=(),
    )


def with_measured(
    firm: Rows, facts: NodeFacts, reach: Sequence[ExpectedReach], depth: Depth
) -> Rows:
    """``firm`` rows with what is measured anew in each look.

    :param reach: what is expected of the node.
    """
    use = facts.network.use
    return _with(
        firm,
        addresses=tuple(
            _with(row, use=use.get(row.interface.name)) if row.interface else row
            for row in firm.addresses
        )
        if use
        else firm.addresses,
        reachability=tuple(_reach(facts, r, depth) for r in reach),
    )


def _expected(fleet: Fleet, node: Node) -> tuple[list[AddressRow], list[RouteRow]]:
    """Rows of the node's addresses, and of its default route if one is expected."""
    addresses = [
        AddressRow(fleet.networks[name], node.addresses.get(name), leased=name in node.leased)
        for name in node.networks
    ]
    return addresses, [RouteRow(None)] if has_default(fleet, node) else []


def has_default(fleet: Fleet, node: Node) -> bool:
    """Whether a default route over a control network is expected of ``node``."""
    on_control = any(fleet.networks[name].control for name in node.networks)
    return on_control and has_internet(fleet, node)


def _address(facts: NodeFacts, row: AddressRow) -> AddressRow:
    if facts.network.interfaces is None:
        return _with(row, reason=facts.unknown.get("interfaces", "not told"))
    if row.expected is None:
        return _with(row, ok=False, reason=f"no address in {row.network.cidr} ({DHCP})")
    expected = row.expected
    interface = facts.network.interface_of(expected)
    if interface is None:
        return _with(row, ok=False, reason="no interface has it")
    row = _with(row, interface=interface)
    if not interface.up:
        why = f"{interface.name} {state_of(interface)}"
        return _with(row, ok=False, reason=why)
    if wrong := routing.wrong_prefixes(interface, expected, row.network):
        had = ", ".join(f"/{own.network.prefixlen}" for own in wrong)
        why = f"{interface.name} has it with {had}, not /{row.network.cidr.prefixlen}"
        return _with(row, ok=False, reason=why)
    return _with(row, ok=True)


def state_of(interface: Interface) -> str:
    """What is wrong with an interface that is not up."""
    return "has no carrier" if interface.enabled else "is switched off"


def _route(fleet: Fleet, facts: NodeFacts, expected: ExpectedRoute) -> RouteRow:
    row = RouteRow(expected)
    asked = sample(fleet, expected.network, expected.node)
    taken = facts.network.taken.get(asked)
    entry = routing.exact(facts.network, expected.to)
    not_told = facts.unknown.get(f"way to {asked}")
    if taken is None and facts.network.routes is None:
        return _with(row, reason=not_told or facts.unknown.get("routes", "not told"))
    if taken is None:
        right = entry is not None and entry.via == expected.via
        return _with(
            row,
            via=entry.via if entry else None,
            interface=entry.interface if entry else None,
            # a table that is wrong says enough; one that is right does not say what is used
            ok=None if right and not_told else right,
            reason=not_told if right else None,
        )
    if taken.error is not None:
        return _with(row, ok=False, reason=taken.error)
    wrong: str | None = None
    if entry is not None and entry.dead:
        wrong = f"{taken.interface} has no carrier"
    elif entry is None and _by_luck(fleet, facts, expected):
        wrong = "there is no route: only the default route, which is wrong, goes there"
    return _with(
        row,
        via=taken.via,
        interface=taken.interface,
        ok=taken.via == expected.via and wrong is None,
        reason=wrong,
    )


def _by_luck(fleet: Fleet, facts: NodeFacts, expected: ExpectedRoute) -> bool:
    """Whether packets go right only because a wrong default route leads to the same gateway."""
    if routing.default_taken_by(fleet, fleet.nodes[expected.node], facts.network) is None:
        return False
    known = facts.network.routes is not None
    return known and not routing.wider(facts.network, expected.to)


def _default(fleet: Fleet, node: Node, facts: NodeFacts) -> RouteRow:
    way = routing.default_way(fleet, facts.network)
    if way is None:
        known = facts.network.routes is not None and not routing.defaults(facts.network)
        why = "there is no default route" if known else facts.unknown.get("routes", "not told")
        return RouteRow(None, ok=False if known else None, reason=why)
    taken_by = routing.default_taken_by(fleet, node, facts.network)
    row = RouteRow(None, via=way.via, interface=way.interface, ok=taken_by is None)
    not_told = facts.unknown.get(f"way to {fleet.internet}")
    return _with(row, ok=None, reason=not_told) if row.ok and not_told else row


def _forwarding(facts: NodeFacts, expected: bool) -> ForwardingStatus:
    now = facts.network.forwarding
    if now is None:
        reason = facts.unknown.get("forwarding", "not told")
        return ForwardingStatus(expected=expected, reason=reason, persistent_reason=reason)
    return ForwardingStatus(
        expected=expected,
        ipv4=now,
        persistent=facts.network.forwarding_persistent,
        # forwarding without need is no fault: every machine with containers does it
        ok=now or not expected,
        persistent_reason=_forwarding_kept(facts, expected),
    )


def _forwarding_kept(facts: NodeFacts, expected: bool) -> str:
    if not expected:
        return "not asked, since it need not forward"
    nothing = f"{wording(facts).not_at_boot} switches it on"
    if facts.network.forwarding_persistent is None:
        return facts.unknown.get("forwarding", "not told")
    return facts.network.persistence or nothing


def _reach(facts: NodeFacts, expected: ExpectedReach, depth: Depth) -> ReachRow:
    row = ReachRow(expected)
    if not expected.expected and depth == "status":
        return _with(row, reason=LEFT_TO_CHECK)
    echo = facts.network.echoes.get(expected.to)
    if echo is None:
        why = facts.unknown.get(f"echo {expected.to}") or facts.unknown.get("echoes", "not told")
        return _with(row, reason=why)
    answered = facts.network.answers_tcp.get(expected.to)
    if expected.optional and not (echo.received or answered):
        return _with(row, reason=f"{expected.peer} may be asleep or away: the job does not need it")
    reason = echo.error
    if not echo.received and answered:
        reason = "no echo came back, but its SSH port answers: a firewall drops pings"
    rounds = facts.network.rounds.get(expected.to, ())
    sent = sum(r.sent for r in rounds) or echo.sent
    came = sum(r.received for r in rounds) if rounds else echo.received
    lost = None
    if sent > 1 and came:
        lost = round(100 * (1 - min(1, came / sent)), 1)
    return _with(
        row,
        observed=facts.network.heard(expected.to),
        rtt_ms=echo.rtt_min_ms if echo.received or not rounds else rounds[-1].rtt_min_ms,
        loss_percent=lost,
        reason=None if echo.received else reason,
    )
