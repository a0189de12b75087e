"""Which rows of the nodes' table are shown, and in which order. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fleetctl.model.status import FleetStatus
from fleetctl.tui.folding import NodeRow

SORTS = ("file", "worst", "load", "memory")
BY_FIGURE = frozenset({"load", "memory"})
"""Of these, orders in which no two rows are equal."""
_WORST = ("unreachable", "degraded", "unknown", "ok", "external")


def ordered(
    rows: Sequence[NodeRow], status: FleetStatus | None, sort: str, sought: str
) -> list[NodeRow]:
    """The rows that contain ``sought``.

    :param sort: one of :data:`SORTS`.
    """
    found = [row for row in rows if sought.lower() in _words(row, status)] if sought else list(rows)
    if status is None:
        return found
    if sort == "worst":
        found.sort(key=lambda row: _badness(row, status))
    elif sort in BY_FIGURE:
        found.sort(key=lambda row: _usage(row, status, sort))
    return found


def wrong_first(rows: Sequence[NodeRow], is_well: Callable[[NodeRow], bool]) -> list[NodeRow]:
    """Nodes with a row that is not well before all others; else in their order."""
    wrong = {row.node for row in rows if not is_well(row)}
    return sorted(rows, key=lambda row: row.node not in wrong)


def _words(row: NodeRow, status: FleetStatus | None) -> str:
    words = [row.key, row.node]
    if status:
        service = status.services.get(row.key)
        words += [status.nodes[row.node].state, service.state if service else ""]
    return " ".join(words).lower()


def _badness(row: NodeRow, status: FleetStatus) -> tuple[int, int]:
    service = status.services.get(row.key)
    bad = service is not None and service.state not in ("ready", "exited")
    return (_WORST.index(status.nodes[row.node].state), 0 if bad else 1)


def _usage(row: NodeRow, status: FleetStatus, sort: str) -> float:
    system = status.nodes[row.node].system
    if system is None:
        return 0.0
    return -((system.load1 if sort == "load" else system.memory_percent) or 0.0)
