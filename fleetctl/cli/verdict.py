"""The output of ``fleetctl check``: which node reaches which, expected and observed, problems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fleetctl.cli.render import marked, plain, problem_lines, style, table, width
from fleetctl.marks import verdict
from fleetctl.model.facts import NodeFacts
from fleetctl.model.node_status import ReachStatus
from fleetctl.model.status import FleetStatus
from fleetctl.quantities import count
from fleetctl.words.check import (
    LEGEND,
    SILENT,
    Cell,
    about,
    cell,
    connection_lines,
    matrices,
    node_lines,
    sentence,
)
from fleetctl.words.parity import parity_lines

MATRIX_COLUMNS = 12
"""A larger network is shown in one line, followed by the pairs that are wrong."""


def check_lines(
    status: FleetStatus, facts: Mapping[str, NodeFacts], shown: Sequence[str]
) -> list[str]:
    """The whole output of ``fleetctl check``; problems last, so that they stay visible."""
    lines = [*_matrix(status, shown), *_nodes(status, facts, shown), *_parity(status)]
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
    reached, nodes = status.reached
    asked = [r for n in status.nodes.values() for r in n.reachability if r.ok is not None]
    right = sum(r.ok is True for r in asked)
    found = [count(errors, "error")] if errors else []
    found += [count(warnings, "warning")] if warnings else []
    return " · ".join(
        [
            status.fleet,
            f"{reached}/{nodes} nodes",
            f"{right}/{len(asked)} paths as expected",
            *(found or ["nothing is wrong"]),
            f"{status.duration_s:.1f} s",
        ]
    )


def _mark(ok: bool | None) -> str:
    return marked(verdict(ok))


def _parity(status: FleetStatus) -> Iterator[str]:
    """What should be equal on the nodes of the job."""
    if lines := [*parity_lines(status.parity or ())]:
        yield style(plain("what should be equal on the nodes of the job"), None, bold=True)
        yield from (f"  {marked(line.mark)} {plain(line.text)}" for line in lines)
        yield ""


def _matrix(status: FleetStatus, shown: Sequence[str]) -> Iterator[str]:
    """Which node reached which, a table for each network: rows ask, columns answer."""
    drawn_any = False
    for matrix in matrices(status, shown):
        drawn_any = True
        yield style(plain(f"{matrix.network}: rows ask, columns answer"), None, bold=True)
        rows = [
            [name, *(_cell(cell(asked.get(peer))) for peer in matrix.peers)]
            for name, asked in matrix.rows.items()
        ]
        drawn = table(["", *matrix.peers], rows)
        if len(matrix.peers) <= MATRIX_COLUMNS and len(drawn[0]) <= max(width(), 80):
            yield from drawn
        else:
            yield from _list(matrix.rows)
        yield ""
    if drawn_any:
        yield plain(LEGEND)
        yield ""


def _cell(found: Cell) -> str:
    if found.mark is None:
        return found.text
    mark = plain(found.mark.symbol) if found.mark == SILENT else marked(found.mark)
    return f"{mark} {found.text}".rstrip()


def _list(asked: Mapping[str, Mapping[str, ReachStatus]]) -> Iterator[str]:
    every = [(name, r) for name, rows in asked.items() for r in rows.values()]
    right = [r for _, r in every if r.ok]
    yield f"{_mark(True)} {count(len(right), 'path')} as expected"
    for name, row in every:
        if not row.ok:
            yield f"{_mark(row.ok)} {sentence(name, row)}"


def _nodes(
    status: FleetStatus, facts: Mapping[str, NodeFacts], shown: Sequence[str]
) -> Iterator[str]:
    for name in shown:
        node = status.nodes[name]
        if node.state == "external" and not node.addresses:
            continue
        yield style(name, None, bold=True) + plain("  " + about(node, facts.get(name)))
        lines = [*node_lines(node), *connection_lines(status, name)]
        rows = [(_mark(line.ok), line.what, line.expected, line.seen, line.later) for line in lines]
        if rows:
            head = ("", "WHAT", "EXPECTED", "OBSERVED", "AFTER A REBOOT")
            yield from (f"  {line}" for line in table(head, rows))
        yield ""
