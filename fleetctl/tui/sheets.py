"""Texts of the larger screens, drawn from values. Pure but for Textual's Content."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from textual.content import Content

from fleetctl.marks import Tone, mark, verdict
from fleetctl.model.events import Event
from fleetctl.model.facts import NodeFacts
from fleetctl.model.node_status import ReachStatus, SSHStatus, SystemStatus
from fleetctl.model.status import FleetStatus, OrphanStatus, Problem, ServiceStatus
from fleetctl.quantities import count, duration, size
from fleetctl.tui.tones import drawn, state, toned
from fleetctl.words import events as of_events
from fleetctl.words.afterwards import postmortem_commands, postmortem_of
from fleetctl.words.check import (
    LEGEND,
    Line,
    Matrix,
    about,
    cell,
    connection_lines,
    matrices,
    node_lines,
    sentence,
)
from fleetctl.words.progress import rank_words
from fleetctl.words.system import UNKNOWN, network

COLUMNS = 12
"""The most columns of a matrix; a larger one is told in sentences."""


def heading(text: str) -> Content:
    return Content.styled(text, "bold underline")


def table(rows: Sequence[Sequence[Content]], head: Sequence[str] = ()) -> Iterator[Content]:
    """Aligned columns."""
    lines = [[toned(h, "quiet") for h in head], *rows] if head else list(rows)
    if not lines:
        return
    widths = [max(line[i].cell_length for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        padded = (c.pad_right(w - c.cell_length) for c, w in zip(line, widths, strict=True))
        yield Content("  ").join(padded).rstrip()


def joined(lines: Iterable[Content]) -> Content:
    return Content("\n").join(lines)


def line_row(line: Line) -> list[Content]:
    tone: Tone = "bad" if line.ok is False else "quiet"
    return [
        drawn(verdict(line.ok)),
        Content(line.what),
        Content(line.expected),
        Content(line.seen) if line.ok else toned(line.seen, tone),
        toned(line.later, "quiet"),
    ]


def node_sheet(
    status: FleetStatus,
    name: str,
    facts: NodeFacts | None,
    heard: str,
    bars: Mapping[str, str],
    columns: int,
) -> Iterator[Content]:
    """Everything known of a node.

    :param heard: how long ago it answered, in words.
    :param bars: how some figures were, by their names.
    :param columns: that there is room for; the last one of a wide table goes below the others.
    """
    node = status.nodes[name]
    yield Content.assemble(state(node.state), "  ", about(node, facts))
    yield Content.assemble(toned("heard ", "quiet"), heard)
    yield _ssh(node.ssh)
    for problem in status.problems:
        if problem.node == name or name in problem.affects:
            yield Content.assemble(
                drawn(mark(problem.severity)), " ", (problem.code, "bold"), f"  {problem.summary}"
            )
    yield Content("")
    lines = [line_row(x) for x in (*node_lines(node), *connection_lines(status, name))]
    yield from _part(
        "Network: expected beside observed",
        lines,
        ("", "what", "expected", "observed", "after a reboot"),
        columns,
    )
    reach = [reach_row(r) for r in node.reachability]
    yield from _part("What answers it", reach, ("", "address", "network", "must", "observed"))
    yield from _neighbours(facts)
    figures = _figures(node.system) if node.system else {}
    figures |= {k: f"{figures[k]}  {bars[k].strip()}".strip() for k in bars if k in figures}
    yield from _part("System", _named({**figures, **(facts.told if facts else {})}))
    yield from _services(status, node.services)
    yield from _orphans([orphan for orphan in status.orphans if orphan.node == name])
    yield from _part("Not known, and why", _named(facts.unknown if facts else {}))


def _part(
    title: str, rows: Sequence[Sequence[Content]], head: Sequence[str] = (), columns: int = 0
) -> Iterator[Content]:
    """A table with its heading; nothing without rows."""
    if rows:
        yield heading(title)
        lines = list(table(rows, head))
        wide = max(line.cell_length for line in lines)
        yield from _narrow(rows, head) if 0 < columns < wide else lines
        yield Content("")


def _narrow(rows: Sequence[Sequence[Content]], head: Sequence[str]) -> Iterator[Content]:
    """A table whose last column is below the others."""
    first, *lines = table([row[:-1] for row in rows], head[:-1])
    yield first
    for line, row in zip(lines, rows, strict=True):
        yield line
        if row[-1]:
            yield Content.assemble("   ", toned(f"{head[-1]}: ", "quiet"), row[-1])


def _named(values: Mapping[str, str]) -> list[list[Content]]:
    return [[toned(name, "quiet"), Content(value)] for name, value in values.items()]


def _ssh(ssh: SSHStatus) -> Content:
    how = ssh.error or ssh.address or ("not asked yet" if ssh.unasked else "this machine")
    if not ssh.error and ssh.connect_ms is not None:
        how += f" connected in {ssh.connect_ms:.0f} ms"
    return Content.assemble(toned("ssh ", "quiet"), drawn(verdict(ssh.reachable)), " ", how)


def _figures(system: SystemStatus) -> dict[str, str]:
    """The figures of a machine's system, by name."""
    used, total = system.memory_used_bytes, system.memory_total_bytes
    load = None if system.load1 is None else f"{system.load1:.2f} on {system.cpus or '?'} cpus"
    net = network(system)
    told = {
        "up": None if system.uptime_s is None else duration(system.uptime_s),
        "load": load,
        "processors": None if system.cpu_percent is None else f"{system.cpu_percent:g} % busy",
        "memory": None if used is None or total is None else f"{size(used)} of {size(total)}",
        "disk free": None if system.disk_free_bytes is None else size(system.disk_free_bytes),
        "network": None if net == UNKNOWN else f"{net} bytes/s in/out",
        "temperature": None if system.temperature_c is None else f"{system.temperature_c:g} °C",
        "throttled": {None: None, True: "yes", False: "no"}[system.throttled],
    }
    return {name: value or "not told" for name, value in told.items()}


def reach_row(row: ReachStatus) -> list[Content]:
    """What answers, and what should."""
    found = cell(row)
    return [
        drawn(found.mark) if found.mark else Content("-"),
        Content(f"{row.node} {row.to}"),
        Content(row.network),
        Content("answer" if row.expected else "be silent"),
        Content(found.text or row.reason or ("answers" if row.observed else "silent")),
    ]


def _neighbours(facts: NodeFacts | None) -> Iterator[Content]:
    neighbours = (facts.network.neighbours if facts else None) or ()
    rows = [
        [Content(str(n.address)), Content(str(n.mac or "incomplete")), Content(n.interface or "")]
        for n in neighbours
    ]
    yield from _part("Neighbours (ARP)", rows)


def _services(status: FleetStatus, names: Sequence[str]) -> Iterator[Content]:
    shown = [(n, status.services[n]) for n in names if n in status.services]
    if not shown:
        return
    yield heading("Services")
    for name, service in shown:
        yield Content.assemble(
            state(service.word), f"  {name}  ", toned(service_words(service), "quiet")
        )
    if any(service.state == "failed" for _, service in shown):
        commands = " · ".join(postmortem_commands(status))
        yield toned(f"what ended first, and why: {commands}", "quiet")
    yield Content("")


def _orphans(orphans: Sequence[OrphanStatus]) -> Iterator[Content]:
    if not orphans:
        return
    yield heading("Runs beside the job")
    for orphan in orphans:
        parts = [orphan.reason, f"pid {orphan.pid}" if orphan.pid else "pid not known"]
        if orphan.started_at:
            parts.append(f"since {orphan.started_at:%Y-%m-%d %H:%M} UTC")
        if orphan.listening:
            parts.append(f"listens on {', '.join(orphan.listening)}")
        words = toned(" · ".join(parts), "quiet")
        yield Content.assemble(state(orphan.state), f"  {orphan.name}  ", words)
    yield Content("")


def service_words(service: ServiceStatus) -> str:
    """What is known of an instance besides its state."""
    parts = []
    if service.reason:
        parts.append(service.reason)
    if service.pid:
        parts.append(f"pid {service.pid}")
    if service.ended_at:
        parts.append(f"ended {service.ended_at:%Y-%m-%d %H:%M:%S} UTC")
    if service.restarts:
        parts.append(count(service.restarts, "restart"))
    if service.listening:
        parts.append(f"listens on {', '.join(service.listening)}")
    if service.liveness:
        parts.append(f"liveness {service.liveness.state}: {service.liveness.reason}")
    if service.progress and (words := rank_words(service.progress)):
        parts.append(words)
    if service.log_bytes is not None:
        parts.append(f"log {size(service.log_bytes)}")
    if service.changed:
        parts.append("nodes.yaml has another definition now; restart renews it")
    return " · ".join(parts)


def check_sheet(status: FleetStatus, width: int) -> Iterator[Content]:
    """The matrices of which node reaches which."""
    drawn_any = False
    for matrix in matrices(status, list(status.nodes)):
        drawn_any = True
        yield heading(f"{matrix.network}: rows ask, columns answer")
        rows = list(_matrix_rows(matrix))
        lines = list(table(rows, ("", *matrix.peers)))
        if len(matrix.peers) <= COLUMNS and lines[0].cell_length <= width:
            yield from lines
        else:
            yield from _as_sentences(matrix.rows)
        yield Content("")
    if drawn_any:
        yield toned(LEGEND, "quiet")
    else:
        yield Content("nodes.yaml names no addresses, so no node must reach another.")


def _matrix_rows(matrix: Matrix) -> Iterator[list[Content]]:
    for name, asked in matrix.rows.items():
        row = [Content.styled(name, "bold")]
        for peer in matrix.peers:
            found = cell(asked.get(peer))
            sign = drawn(found.mark) if found.mark else Content("")
            row.append(Content.assemble(sign, " " if found.mark else "", found.text).rstrip())
        yield row


def _as_sentences(rows: Mapping[str, Mapping[str, ReachStatus]]) -> Iterator[Content]:
    every = [(name, r) for name, asked in rows.items() for r in asked.values()]
    right = sum(r.ok is True for _, r in every)
    yield Content.assemble(drawn(verdict(True)), f" {count(right, 'path')} as expected")
    for name, row in every:
        if not row.ok:
            yield Content.assemble(drawn(verdict(row.ok)), " ", sentence(name, row))


def problem_sheet(problem: Problem, measured: str) -> Iterator[Content]:
    """A problem: what is wrong, what it affects, how that is known, what repairs it."""
    yield Content.assemble(drawn(mark(problem.severity)), " ", (problem.summary, "bold"))
    yield Content("")
    rows = [
        [toned("code", "quiet"), Content(problem.code)],
        [toned("on", "quiet"), Content(problem.node or "the fleet")],
        [toned("hits", "quiet"), Content(", ".join(problem.affects) or "nothing else")],
        [toned("measured", "quiet"), Content(measured)],
        [toned("shown by", "quiet"), Content(problem.evidence or "-")],
    ]
    if command := postmortem_of(problem):
        rows.append([toned("all of it", "quiet"), Content(command)])
    yield from table(rows)
    yield Content("")
    if problem.fix and problem.fix.commands:
        can = "[f] runs it, after asking" if problem.fix.steps else "to be run by hand"
        yield Content.assemble(
            heading(f"What repairs it, on {problem.fix.on}"), toned(f"   {can}", "quiet")
        )
        yield from (Content.styled(f"  {command}", "bold") for command in problem.fix.commands)
        yield Content("")


def page_text(markdown: str, columns: int) -> Content:
    """A page of docs/problems as text; Textual's Markdown widget is slow to open.

    :param columns: what is longer of a command or of its output goes on below itself.
    """
    lines: list[str] = []
    code = False
    for line in markdown.splitlines():
        if line.startswith("```"):
            code = not code
        elif code:
            indent = "    " + " " * (len(line) - len(line.lstrip()))
            wrapped = textwrap.wrap(
                line, columns, initial_indent="    ", subsequent_indent=f"{indent}  "
            )
            lines += wrapped or [""]
        elif lines and _goes_on(lines[-1], line):
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line)
    return joined(map(_page_line, lines))


def _goes_on(before: str, line: str) -> bool:
    """Whether a line belongs to the paragraph before it."""
    begins = re.match(r"\s*([-*#|]|[0-9]+\.|$)", line)
    return not begins and before.strip() != "" and not before.startswith(("#", "    ", "|"))


def _page_line(line: str) -> Content:
    if line.startswith("#"):
        return heading(line.lstrip("# "))
    if line.startswith("    "):
        return Content.styled(line, "bold")
    parts = re.split(r"`([^`]+)`", line.replace("**", ""))
    return Content.assemble(*((p, "bold") if i % 2 else p for i, p in enumerate(parts)))


def event_row(change: Event) -> Content:
    """When, what, how it was over, and who asked for it."""
    at = change.at.astimezone()
    day = "" if at.date() == datetime.now().astimezone().date() else at.strftime("%a ")
    asked = f"  {of_events.by(change.by)}" if change.by else ""
    return Content.assemble(
        toned(f"{day}{at:%H:%M:%S}", "quiet"),
        "  ",
        drawn(mark(change.state)),
        f" {of_events.sentence(change)}",
        toned(asked, "quiet"),
    )
