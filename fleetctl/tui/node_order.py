"""Which rows of the nodes' table are shown, and in which order. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from fleetctl.model.status import FleetStatus
from fleetctl.tui.folding import BAD_STATES, NodeRow

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
        found.sort(key=lambda row: badness(row, status))
    elif sort in BY_FIGURE:
        found.sort(key=lambda row: _usage(row, status, sort))
    return found


def _words(row: NodeRow, status: FleetStatus | None) -> str:
    words = [row.key, row.node]
    if status:
        service = status.services.get(row.key)
        words += [status.nodes[row.node].state, service.state if service else ""]
    return " ".join(words).lower()


def badness(row: NodeRow, status: FleetStatus | None) -> tuple[int, int]:
    """What is worst is least."""
    if status is None:
        return (0, 0)
    service = status.services.get(row.key)
    if service is None or service.state in ("ready", "exited"):
        bad = 2
    else:
        bad = 0 if service.state in BAD_STATES else 1
    return (_WORST.index(status.nodes[row.node].state), bad)


def _usage(row: NodeRow, status: FleetStatus, sort: str) -> float:
    system = status.nodes[row.node].system
    if system is None:
        return 0.0
    return -((system.load1 if sort == "load" else system.memory_percent) or 0.0)
