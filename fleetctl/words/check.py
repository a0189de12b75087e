"""The result of a check as rows of text: expected and observed, which node reaches which. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from fleetctl.marks import MARKS, Mark, verdict
from fleetctl.model.facts import NodeFacts
from fleetctl.model.status import FleetStatus, NodeStatus, ReachStatus
from fleetctl.quantities import rtt

SILENT = Mark("○", "quiet")
"""Silent, as it must be."""
LEGEND = "● answers   ○ silent, as it must be   ✖ wrong   ? not known   - not expected"


class Line(Struct, frozen=True):
    """One thing that must be true of a node."""

    ok: bool | None
    what: str
    expected: str
    seen: str


class Cell(Struct, frozen=True):
    """How one node reaches another."""

    mark: Mark | None
    text: str = ""


class Matrix(Struct, frozen=True):
    """Which node reaches which on one network: rows ask, columns answer."""

    network: str
    peers: tuple[str, ...]
    rows: Mapping[str, Mapping[str, ReachStatus]]
    """By asking node, then by peer: what was expected and observed."""


def about(node: NodeStatus, facts: NodeFacts | None) -> str:
    """The machine in one line: system, tmux, clock, temperature."""
    system = node.system
    if system is None:
        return f"{node.state}: {node.ssh.error or 'not asked'}"
    parts = [f"{system.os_version or system.os or '?'} {system.arch or ''}".strip()]
    if facts and facts.tmux_version:
        parts.append(f"tmux {facts.tmux_version}")
    offset_s = facts.reliability.clock_offset_s if facts else None
    error_s = facts.reliability.clock_error_s if facts else None
    if offset_s is not None and abs(offset_s) - (error_s or 0.0) >= 2:
        parts.append(f"clock {offset_s:+.0f} s")
    if system.temperature_c is not None:
        parts.append(f"{system.temperature_c:g} °C")
    return " · ".join(parts)


def node_lines(node: NodeStatus) -> Iterator[Line]:
    """Addresses, routes and forwarding of a node."""
    for address in node.addresses:
        seen = address.interface or ("?" if address.ok is None else "no interface")
        if address.reason and address.ok is not True:
            seen = address.reason
        yield Line(address.ok, f"address {address.network}", address.expected, seen)
    for route in node.routes:
        what = {"route": "route", "return": "return route", "default": "default route"}[route.kind]
        expected = "by the control network"
        if route.expected_via:
            expected = f"{route.to} via {route.expected_via}"
        via = f"via {route.via}" if route.via else "directly"
        seen = f"{via} on {route.interface}" if route.interface else route.reason or "none"
        yield Line(route.ok, what, expected, seen)
    forwarding = node.forwarding
    if forwarding.expected:
        now = {True: "on", False: "off", None: forwarding.reason or "?"}[forwarding.ipv4]
        later = {True: "on", False: "off", None: "?"}[forwarding.persistent]
        ok = forwarding.ok and (None if forwarding.persistent is None else forwarding.persistent)
        seen = f"{now}, after a reboot {later}"
        yield Line(ok, "forwarding", "on, and after a reboot", seen)


def connection_lines(status: FleetStatus, node: str) -> Iterator[Line]:
    """Over which network the job's connections really go; shown only, never wrong."""
    for instance, service in status.services.items():
        if service.node == node:
            for c in service.connections or ():
                seen = f"over {c.network or 'no network of nodes.yaml'}, from {c.local}"
                yield Line(True, instance, f"connected to {c.to}", seen)


def matrices(status: FleetStatus, shown: Sequence[str]) -> Iterator[Matrix]:
    """Which node reached which, a matrix for each network.

    :param shown: nodes whose rows are wanted.
    """
    for network in dict.fromkeys(r.network for n in status.nodes.values() for r in n.reachability):
        asked = {
            name: {r.node: r for r in node.reachability if r.network == network}
            for name, node in status.nodes.items()
            if name in shown
        }
        asked = {name: rows for name, rows in asked.items() if rows}
        if asked:
            peers = (n for n in status.nodes if any(n in rows for rows in asked.values()))
            yield Matrix(network, tuple(peers), asked)


def cell(row: ReachStatus | None) -> Cell:
    """The cell of a pair in a matrix."""
    if row is None:
        return Cell(None, "-")
    if row.observed is None:
        return Cell(MARKS["unknown"])
    if row.ok and not row.expected:
        return Cell(SILENT)
    if row.ok:
        lost = f" -{row.loss_percent:.0f}%" if row.loss_percent else ""
        figure = "tcp" if row.rtt_ms is None else rtt(row.rtt_ms)
        return Cell(verdict(True), f"{figure}{lost}")
    return Cell(verdict(False), "answers" if row.observed else "silent")


def sentence(asking: str, row: ReachStatus) -> str:
    """A pair in one sentence."""
    word = "must answer" if row.expected else "must not answer"
    return f"{asking} to {row.to} ({row.node}), which {word}: {_said(row)}"


def _said(row: ReachStatus) -> str:
    if row.observed is None:
        return row.reason or "not known"
    return "answers" if row.observed else "silent"
