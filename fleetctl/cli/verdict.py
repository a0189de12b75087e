"""What ``fleetctl check`` shows: who hears whom, expected beside observed, problems with causes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fleetctl.cli.render import marked, plain, problem_lines, style, table, width
from fleetctl.marks import verdict
from fleetctl.model.facts import NodeFacts
from fleetctl.model.status import FleetStatus, NodeStatus, ReachStatus
from fleetctl.quantities import count, rtt

MATRIX_COLUMNS = 12
"""Networks with more members are told in a line each, with the pairs that are wrong."""


def check_lines(
    status: FleetStatus, facts: Mapping[str, NodeFacts], shown: Sequence[str]
) -> list[str]:
    """The whole answer of ``fleetctl check``, problems last: they stay on the screen."""
    lines = [*_matrix(status, shown), *_nodes(status, facts, shown)]
    problems = [p for p in status.problems if p.node is None or _about(p.node, p.affects, shown)]
    errors = sum(p.severity == "error" for p in problems)
    lines.append(style(plain(_verdict(status, errors, len(problems) - errors)), None, bold=True))
    lines += problem_lines(problems, evidence=True)
    if any(p.fix and p.fix.steps for p in problems):
        lines.append("To see the repair, and to run it: fleetctl fix")
    return lines


def _about(node: str, affects: Sequence[str], shown: Sequence[str]) -> bool:
    return node in shown or any(name.partition("@")[2] or name in shown for name in affects)


def _verdict(status: FleetStatus, errors: int, warnings: int) -> str:
    inside = [node for node in status.nodes.values() if node.state != "external"]
    reached = sum(node.ssh.reachable is True for node in inside)
    asked = [r for n in status.nodes.values() for r in n.reachability if r.ok is not None]
    right = sum(r.ok is True for r in asked)
    found = [count(errors, "error")] if errors else []
    found += [count(warnings, "warning")] if warnings else []
    return " · ".join(
        [
            status.fleet,
            f"{reached}/{len(inside)} nodes",
            f"{right}/{len(asked)} paths as expected",
            *(found or ["nothing is wrong"]),
            f"{status.duration_s:.1f} s",
        ]
    )


def _mark(ok: bool | None) -> str:
    return marked(verdict(ok))


def _matrix(status: FleetStatus, shown: Sequence[str]) -> Iterator[str]:
    """The setup guide's verification, a table for each network: rows ask, columns answer."""
    networks = dict.fromkeys(r.network for n in status.nodes.values() for r in n.reachability)
    for network in networks:
        asked = {
            name: {r.node: r for r in node.reachability if r.network == network}
            for name, node in status.nodes.items()
            if name in shown
        }
        asked = {name: rows for name, rows in asked.items() if rows}
        if not asked:
            continue
        peers = [n for n in status.nodes if any(n in rows for rows in asked.values())]
        yield style(plain(f"{network}: rows ask, columns answer"), None, bold=True)
        rows = [[name, *(_cell(rows.get(peer)) for peer in peers)] for name, rows in asked.items()]
        drawn = table(["", *peers], rows)
        if len(peers) <= MATRIX_COLUMNS and len(drawn[0]) <= max(width(), 80):
            yield from drawn
        else:
            yield from _list(asked)
        yield ""
    if networks:
        yield plain("● answers   ○ silent, as it must be   ✖ wrong   ? not known   - not expected")
        yield ""


def _cell(row: ReachStatus | None) -> str:
    if row is None:
        return "-"
    if row.observed is None:
        return _mark(None)
    if row.ok and not row.expected:
        return plain("○")
    if row.ok:
        lost = f" -{row.loss_percent:.0f}%" if row.loss_percent else ""
        return f"{_mark(True)} {_rtt(row)}{lost}"
    return f"{_mark(False)} {'answers' if row.observed else 'silent'}"


def _rtt(row: ReachStatus) -> str:
    return "tcp" if row.rtt_ms is None else rtt(row.rtt_ms)


def _list(asked: Mapping[str, Mapping[str, ReachStatus]]) -> Iterator[str]:
    every = [(name, r) for name, rows in asked.items() for r in rows.values()]
    right = [r for _, r in every if r.ok]
    yield f"{_mark(True)} {count(len(right), 'path')} as expected"
    for name, row in every:
        if not row.ok:
            word = "must answer" if row.expected else "must not answer"
            yield f"{_mark(row.ok)} {name} to {row.to} ({row.node}), which {word}: {_said(row)}"


def _said(row: ReachStatus) -> str:
    if row.observed is None:
        return row.reason or "not known"
    return "answers" if row.observed else "silent"


def _nodes(
    status: FleetStatus, facts: Mapping[str, NodeFacts], shown: Sequence[str]
) -> Iterator[str]:
    for name in shown:
        node = status.nodes[name]
        if node.state == "external" and not node.addresses:
            continue
        yield style(name, None, bold=True) + plain(_about_node(node, facts.get(name)))
        rows = [*_facts(node), *_connections(status, name)]
        if rows:
            yield from (f"  {line}" for line in table(("", "WHAT", "EXPECTED", "OBSERVED"), rows))
        yield ""


def _about_node(node: NodeStatus, facts: NodeFacts | None) -> str:
    system = node.system
    if system is None:
        return f"  {node.state}: {node.ssh.error or 'not asked'}"
    parts = [f"{system.os_version or system.os or '?'} {system.arch or ''}".strip()]
    if facts and facts.tmux_version:
        parts.append(f"tmux {facts.tmux_version}")
    offset_s = facts.comfort.clock_offset_s if facts else None
    if offset_s is not None and abs(offset_s) >= 2:  # the node tells whole seconds
        parts.append(f"clock {offset_s:+.0f} s")
    if system.temperature_c is not None:
        parts.append(f"{system.temperature_c:g} °C")
    return "  " + " · ".join(parts)


def _facts(node: NodeStatus) -> Iterator[tuple[str, str, str, str]]:
    for address in node.addresses:
        seen = address.interface or ("?" if address.ok is None else "no interface")
        if address.reason and address.ok is not True:
            seen = address.reason
        yield _mark(address.ok), f"address {address.network}", address.expected, seen
    for route in node.routes:
        what = {"route": "route", "return": "return route", "default": "default route"}[route.kind]
        expected = "by the control network"
        if route.expected_via:
            expected = f"{route.to} via {route.expected_via}"
        via = f"via {route.via}" if route.via else "directly"
        seen = f"{via} on {route.interface}" if route.interface else route.reason or "none"
        yield _mark(route.ok), what, expected, seen
    forwarding = node.forwarding
    if forwarding.expected:
        now = {True: "on", False: "off", None: forwarding.reason or "?"}[forwarding.ipv4]
        later = {True: "on", False: "off", None: "?"}[forwarding.persistent]
        ok = forwarding.ok and (None if forwarding.persistent is None else forwarding.persistent)
        yield _mark(ok), "forwarding", "on, and after a reboot", f"{now}, after a reboot {later}"


def _connections(status: FleetStatus, name: str) -> Iterator[tuple[str, str, str, str]]:
    """Over which network the job's connections really go; told, and not judged."""
    for instance, service in status.services.items():
        if service.node == name:
            for c in service.connections or ():
                seen = f"over {c.network or 'no network of nodes.yaml'}, from {c.local}"
                yield _mark(True), instance, f"connected to {c.to}", seen
