"""Warnings about a node: what works now, but slowly, or not after the next boot or sleep."""

from __future__ import annotations

from collections.abc import Iterator

from fleetctl.health.finding import Finding
from fleetctl.health.kinds.kind import FindingKind
from fleetctl.health.kinds.machine import (
    BOOT_START_DIFFERS,
    CLOCK_SKEW,
    SLEEP_ENABLED,
    WIFI_POWER_SAVE,
)
from fleetctl.health.kinds.network import (
    ADDRESS_NOT_PERSISTENT,
    ADDRESS_WRONG_INTERFACE,
    FORWARDING_NOT_PERSISTENT,
    ROUTE_NOT_PERSISTENT,
    RP_FILTER_STRICT,
)
from fleetctl.health.network.rows import Rows
from fleetctl.health.repairs.boot_start import boot_unlike
from fleetctl.health.wording import wording
from fleetctl.model.facts import NodeFacts
from fleetctl.model.status import Problem
from fleetctl.model.topology import Fleet, Node, supported_os

CLOCK_SKEW_S = 5.0
"""So far may a clock be off, beyond what the measurement leaves open."""

Warned = tuple[Problem, tuple[Finding, ...]]
"""A warning, and the findings behind it."""


def warnings(fleet: Fleet, node: Node, facts: NodeFacts, rows: Rows) -> Iterator[Warned]:
    """The warnings about one node that answered."""
    for kind, found in _findings(fleet, node, facts, rows):
        yield kind.of(fleet, found), found
    for problem in _elsewhere(node, facts, rows):
        yield problem, ()
    offset_s = facts.reliability.clock_offset_s
    error_s = facts.reliability.clock_error_s or 0.0
    if offset_s is not None and abs(offset_s) - error_s > CLOCK_SKEW_S:
        sure = f", give or take {error_s:.1f} s" if error_s else ""
        skew = CLOCK_SKEW.problem(
            node.name,
            offset_s=abs(offset_s),
            way="ahead of" if offset_s > 0 else "behind",
            evidence=f"date: {offset_s:+.0f} s{sure}",
        )
        yield skew, ()


def _findings(
    fleet: Fleet, node: Node, facts: NodeFacts, rows: Rows
) -> Iterator[tuple[FindingKind, tuple[Finding, ...]]]:
    network, reliability = facts.network, facts.reliability
    yield from _gone_at_boot(fleet, node, rows)
    if rows.forwarding.expected and rows.forwarding.ipv4 and rows.forwarding.persistent is False:
        where = wording(facts).not_at_boot
        said = network.persistence or f"{where} switches it on"
        yield _one(FORWARDING_NOT_PERSISTENT, node, setting=where, shown_by=said)
    strict = [name for name in network.strict_filters if _of_cluster(node, facts, name)]
    if strict and len(node.addresses) > 1:
        key = f"net.ipv4.conf.{strict[0]}.rp_filter: 1"
        code = RP_FILTER_STRICT.code
        yield (
            RP_FILTER_STRICT,
            tuple(Finding(code, node.name, interface=name, shown_by=key) for name in strict),
        )
    if reliability.wifi_power_save:
        interface = reliability.wifi_power_save[0]
        said = f"iw dev {interface} get power_save: on"
        yield _one(WIFI_POWER_SAVE, node, interface=interface, shown_by=said)
    if minutes := reliability.sleep_minutes:
        said = f"pmset -g: sleep {minutes}"
        yield _one(SLEEP_ENABLED, node, idle_minutes=minutes, shown_by=said)
    if unlike := _boot_unlike(fleet, node, facts):
        what, said = unlike
        finding = Finding(BOOT_START_DIFFERS.code, node.name, at_boot=what, shown_by=said)
        yield BOOT_START_DIFFERS, (finding,)


def _boot_unlike(fleet: Fleet, node: Node, facts: NodeFacts) -> tuple[str, str] | None:
    macos = facts.system is not None and supported_os(facts.system.os) == "macos"
    return boot_unlike(fleet, node.name, facts.boot_start, macos=macos)


def _gone_at_boot(
    fleet: Fleet, node: Node, rows: Rows
) -> Iterator[tuple[FindingKind, tuple[Finding, ...]]]:
    """Addresses and routes that are right now and not after the next boot.

    Where an interface gets nothing at all, that is told once, of its address.
    """
    addresses = [row for row in rows.addresses if row.ok and row.kept.persistent is False]
    bare = {row.interface.name for row in addresses if row.interface and not row.kept.at_all}
    routes = [
        row
        for row in rows.routes
        if row.ok and row.kept.persistent is False and row.interface not in bare
    ]
    if addresses:
        yield (
            ADDRESS_NOT_PERSISTENT,
            tuple(
                Finding(
                    ADDRESS_NOT_PERSISTENT.code,
                    node.name,
                    row.network,
                    address=row.expected,
                    interface=row.interface.name if row.interface else "",
                    at_boot=row.kept.reason,
                    shown_by=row.kept.reason,
                )
                for row in addresses
            ),
        )
    if routes:
        yield (
            ROUTE_NOT_PERSISTENT,
            tuple(
                Finding(
                    ROUTE_NOT_PERSISTENT.code,
                    node.name,
                    fleet.networks[row.expected.network] if row.expected else None,
                    address=row.expected.via if row.expected else None,
                    interface=row.interface or "",
                    at_boot=row.kept.reason,
                    shown_by=row.kept.reason,
                )
                for row in routes
            ),
        )


def _elsewhere(node: Node, facts: NodeFacts, rows: Rows) -> Iterator[Problem]:
    """Addresses that are on another port than the one that nodes.yaml names."""
    parts = [
        f"{row.expected} on {row.network.name} on {row.interface.name}, and not on {declared}, its "
        "port there by nodes.yaml"
        for row in rows.addresses
        if row.interface and (declared := node.interfaces.get(row.network.name))
        if declared != row.interface.name
    ]
    if parts:
        names = ", ".join(interface.name for interface in facts.network.interfaces or ())
        ports = " and ".join(parts)
        yield ADDRESS_WRONG_INTERFACE.problem(
            node.name, ports=ports, evidence=f"interfaces: {names}"
        )


def _one(
    kind: FindingKind,
    node: Node,
    *,
    shown_by: str,
    setting: str = "",
    interface: str = "",
    idle_minutes: int | None = None,
) -> tuple[FindingKind, tuple[Finding, ...]]:
    finding = Finding(
        kind.code,
        node.name,
        setting=setting,
        interface=interface,
        idle_minutes=idle_minutes,
        shown_by=shown_by,
    )
    return kind, (finding,)


def _of_cluster(node: Node, facts: NodeFacts, interface: str) -> bool:
    return any(
        (own := facts.network.interface_of(address)) is not None and own.name == interface
        for address in node.addresses.values()
    )
