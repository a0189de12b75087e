"""The rows of the nodes' table, and which of many are equal and are shown as one. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence, Set

from msgspec import Struct

from fleetctl.health.attachments import DataState
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.status import FleetStatus
from fleetctl.model.topology import Fleet
from fleetctl.tui.under_cursor import UnderCursor, of_instance

FROM = 30
"""More rows than these are folded."""
LEAST = 5
"""So many equal ones are one row; fewer are the odd ones out, which stand by themselves."""
BAD_STATES = frozenset({"failed", "unhealthy", "restarting", "unknown"})
_BAD_NODES = frozenset({"unreachable", "degraded", "unknown"})
CLOSED, OPENED = "▸", "▾"
_FIGURES = re.compile(r"\d[\d.]*\S*")

Likeness = tuple[str, ...]
"""What equal rows have in common, in words; empty words where nothing is to be said."""


class NodeRow(Struct, frozen=True):
    """The node and instance of a row."""

    node: str
    instance: Instance | None

    @property
    def key(self) -> str:
        return self.instance.name if self.instance else self.node

    @property
    def under_cursor(self) -> UnderCursor:
        """What keys act on."""
        if self.instance:
            return of_instance(self.instance)
        return UnderCursor(self.node, (self.node,))


def node_rows(fleet: Fleet, job: Job | None) -> tuple[NodeRow, ...]:
    """A row for each instance, and for each node without one, in the order of nodes.yaml."""
    found: list[NodeRow] = []
    for node in fleet.nodes:
        mine = job.on(node) if job else ()
        found += [NodeRow(node, i) for i in mine] or [NodeRow(node, None)]
    return tuple(found)


class Fold(Struct, frozen=True):
    """Rows that are equal."""

    key: str
    rows: tuple[NodeRow, ...]

    @property
    def role(self) -> str:
        """Of all of them; empty: nothing of the job runs there."""
        first = self.rows[0].instance
        return first.service if first else ""

    @property
    def title(self) -> str:
        """How many they are."""
        return f"{len(self.rows)} nodes"

    @property
    def under_cursor(self) -> UnderCursor:
        """What keys act on: all of them."""
        return UnderCursor(
            f"{self.role} on {self.title}" if self.role else self.title,
            tuple(row.node for row in self.rows),
            tuple(row.instance for row in self.rows if row.instance),
        )


class Likenesses(Struct, frozen=True):
    """By row: its likeness, and which likenesses stay in their order: those of rows that nothing is
    wrong with, or that were not asked yet."""

    of: Mapping[str, Likeness]
    last: Set[Likeness]
    bad: int = 0
    """How many rows have something wrong, which what is stopped or starting has not."""


def likeness(
    row: NodeRow,
    status: FleetStatus | None,
    data: DataState | None,
    said: str,
    doubts: Sequence[str],
    marked: bool,
) -> Likeness:
    """What a row has in common with others: not its figures, but all that is unusual.

    :param said: what is wrong with it, in words; figures in it may differ.
    :param doubts: the columns in which its figures are out of the ordinary.
    """
    words = [row.instance.service if row.instance else "", "marked" if marked else ""]
    if status is None:
        return (*words, "asking")
    node, service = status.nodes[row.node], status.services.get(row.key)
    words += [service.word if service else "", node.state, node.ssh.via or ""]
    words += [str(node.ssh.reachable), str(data and data.ok), "wrong" * bool(data and data.wrong)]
    words += ["poor" * bool(data and data.poor), _FIGURES.sub("#", said), *doubts]
    return tuple(words)


def is_well(row: NodeRow, status: FleetStatus | None, said: str, doubts: Sequence[str]) -> bool:
    """Whether nothing of a row needs a look: its node and instance are as they should be."""
    if status is None or said or doubts:
        return False
    node, service = status.nodes[row.node], status.services.get(row.key)
    working = service is None or service.state == "ready" or service.done
    return working and node.state in ("ok", "external") and not node.ssh.via


def is_bad(row: NodeRow, status: FleetStatus, said: str) -> bool:
    """Whether something is wrong with its node or instance, or not known of it."""
    service = status.services.get(row.key)
    state = status.nodes[row.node].state
    return (
        bool(said) or state in _BAD_NODES or (service is not None and service.state in BAD_STATES)
    )


def folded(
    rows: Sequence[NodeRow],
    alike: Likenesses,
    badness: Callable[[NodeRow], tuple[int, int]],
    *,
    least: int = LEAST,
) -> list[NodeRow | Fold]:
    """``rows`` with equal ones as one: first what is not well and stands alone, then what is not
    well and the same on many, then what is well or not asked yet. What is not well goes by
    ``badness``, else in their order.

    :param least: so many equal ones are one.
    """
    groups: dict[Likeness, list[NodeRow]] = {}
    for row in rows:
        groups.setdefault(alike.of[row.key], []).append(row)
    found: list[tuple[int, tuple[int, int], NodeRow | Fold]] = []
    for row in rows:
        like = alike.of[row.key]
        group = groups[like]
        rank, bad = (2, (0, 0)) if like in alike.last else (0, badness(row))
        if len(group) < least:
            found.append((rank, bad, row))
        elif group[0] is row:
            found.append((rank + 1, bad, Fold("= " + " ".join(like), tuple(group))))
    return [entry for *_, entry in sorted(found, key=lambda one: one[:2])]
