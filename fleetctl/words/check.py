"""The result of a check as rows of text: expected and observed, which node reaches which. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from fleetctl.marks import MARKS, Mark, verdict
from fleetctl.model.facts import NodeFacts
from fleetctl.model.node_status import (
    AddressStatus,
    ForwardingStatus,
    NodeStatus,
    ReachStatus,
    RouteStatus,
    SleepStatus,
)
from fleetctl.model.status import FleetStatus
from fleetctl.model.topology import DHCP
from fleetctl.quantities import rtt
from fleetctl.words.system import UNKNOWN, in_and_out

SILENT = Mark("○", "quiet")
"""Silent, as it must be."""
LEGEND = "● answers   ○ silent, as it must be   ✖ wrong   ? not known   - not expected"


class Line(Struct, frozen=True):
    """One thing that must be true of a node."""

    ok: bool | None
    what: str
    expected: str
    seen: str
    later: str = ""
    """After the next boot."""


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
    if node.ssh.via:
        parts.append(f"ssh via {node.ssh.via}")
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
        use = in_and_out(address.in_bytes_per_s, address.out_bytes_per_s)
        if address.ok and use != UNKNOWN:
            seen += f", {use} bytes/s in/out"
        what = f"address {address.network}"
        expected = address.expected
        if address.dhcp and expected != DHCP:
            expected += f" ({DHCP})"
        yield Line(_both(address), what, expected, seen, _later(address))
    for route in node.routes:
        what = {"route": "route", "return": "return route", "default": "default route"}[route.kind]
        expected = "by the control network"
        if route.expected_via:
            expected = f"{route.to} via {route.expected_via}"
        via = f"via {route.via}" if route.via else "directly"
        seen = f"{via} on {route.interface}" if route.interface else route.reason or "none"
        if route.ok is None and route.reason:
            seen = route.reason
        yield Line(_both(route), what, expected, seen, _later(route))
    forwarding = node.forwarding
    if forwarding.expected:
        now = {True: "on", False: "off", None: forwarding.reason or "?"}[forwarding.ipv4]
        ok = forwarding.ok and (None if forwarding.persistent is None else forwarding.persistent)
        yield Line(ok, "forwarding", "on, and after a reboot", now, _later(forwarding))

    yield from _power_lines(node)


def _power_lines(node: NodeStatus) -> Iterator[Line]:
    """Sleep, and what follows a reboot of a Mac; the latter is shown only, never wrong."""
    if (sleep := node.sleep) is not None:
        seen = "never" if sleep.minutes == 0 else sleep.reason or "?"
        yield Line(sleep.ok, "sleep", "never", seen, _later(sleep))
    if (reboot := node.reboot) is not None:
        power = {True: "starts by itself", False: "stays off", None: "?"}[reboot.restarts]
        yield Line(_shown(reboot.restarts), "power failure", "", "", power)
        login = reboot.reason or "without a password typed at it"
        yield Line(_shown(reboot.unattended), "log in", "", "", login)


def _shown(known: bool | None) -> bool | None:
    """For what is shown only: right, or not known."""
    return None if known is None else True


def _both(row: AddressStatus | RouteStatus) -> bool | None:
    """Whether it is right now, and known not to be wrong after the next boot."""
    return False if row.persistent is False else row.ok


def _later(row: AddressStatus | RouteStatus | ForwardingStatus | SleepStatus) -> str:
    """What is there after the next boot."""
    if row.persistent:
        return "yes"
    reason = row.persistent_reason
    if row.persistent is False:
        return f"no: {reason}"
    return f"? {reason}" if reason and reason != row.reason else "?"


def connection_lines(status: FleetStatus, node: str) -> Iterator[Line]:
    """Over which network the job's connections really go."""
    known = dict(status.services)
    if status.job is None:  # all of them are shown
        known |= {f"{j}/{n}": s for j, job in status.jobs.items() for n, s in job.services.items()}
    for instance, service in known.items():
        if service.node == node:
            for c in service.connections or ():
                seen = f"over {c.network or 'no network of nodes.yaml'}, from {c.local}"
                if c.expected not in (None, c.to):
                    seen += f" to {c.to}"
                yield Line(c.ok, instance, f"connected to {c.expected or c.to}", seen)


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
    if row.observed and row.expected:
        return Cell(verdict(False), "wrong way")
    return Cell(verdict(False), "answers" if row.observed else "silent")


def sentence(asking: str, row: ReachStatus) -> str:
    """A pair in one sentence."""
    word = "must answer" if row.expected else "must not answer"
    return f"{asking} to {row.to} ({row.node}), which {word}: {_said(row)}"


def _said(row: ReachStatus) -> str:
    if row.observed is None:
        return row.reason or "not known"
    if row.observed and row.expected and row.ok is False:
        return f"answers, but {row.reason}"
    return "answers" if row.observed else "silent"
