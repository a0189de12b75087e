"""The lines of the nodes' table, each made when it is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from msgspec import Struct
from textual.content import Content

from fleetctl.health.attachments import DataState
from fleetctl.marks import mark
from fleetctl.model.topology import Fleet
from fleetctl.tui.folding import CLOSED, OPENED, Fold, NodeRow
from fleetctl.tui.seen import Seen
from fleetctl.tui.tones import state, toned
from fleetctl.tui.widgets import node_columns
from fleetctl.tui.widgets.node_columns import NET, Column
from fleetctl.undertakings import Snapshot

MARKED = "◆"
_OF_ONE = ("rtt", "step", "load", "mem", "cpu", NET, "temp", "disk", "since", "pid")
"""Columns in which equal rows may differ."""


class NodeLines(Struct, frozen=True):
    """What stands in the lines of one drawing."""

    fleet: Fleet
    columns: Sequence[Column]
    names: Mapping[str, str]
    """Of nodes, as they stand in their column."""
    roles: Mapping[str, str]
    snapshot: Snapshot | None
    data: Mapping[str, DataState]
    """By node."""
    networks: frozenset[str]
    """Of the job."""
    seen: Seen
    said: Mapping[str, str]
    """By row: what is wrong with it, in a few words."""
    marks: Set[str]
    unfolded: Set[str]

    def line(self, entry: NodeRow | Fold, *, first: bool) -> Content:
        """A line.

        :param first: of its node's.
        """
        place = entry.rows[0] if isinstance(entry, Fold) else entry
        if isinstance(entry, Fold):
            cells = self._of_fold(entry)
        else:
            cells = self._cells(entry, first=first)
            if first:
                cells["node"] = Content(self.names[entry.node])
        if place.instance:
            cells["role"] = Content(self.roles[place.instance.service])
        if place.key in self.marks:
            mine = cells.get("ssh", Content(" "))
            cells["ssh"] = Content.assemble(mine, toned(f" {MARKED}", "busy"))
        return node_columns.line(self.columns, cells)

    def _of_fold(self, fold: Fold) -> dict[str, Content]:
        """Of equal rows: how many they are, what they have in common, and of figures the worst."""
        cells = self._cells(fold.rows[0], first=True)
        for head in _OF_ONE:
            cells.pop(head, None)
        if self.snapshot:
            nodes, services = self.snapshot.status.nodes, self.snapshot.status.services
            newest = [self.data[row.node].rtt_ms for row in fold.rows]
            cells.update(
                node_columns.of_many(
                    [nodes[row.node] for row in fold.rows],
                    [services[row.key] for row in fold.rows if row.key in services],
                    [rtt_ms for rtt_ms in newest if rtt_ms is not None],
                )
            )
        sign = OPENED if fold.key in self.unfolded else CLOSED
        return {**cells, "node": Content(f"{sign} {fold.title}")}

    def _cells(self, place: NodeRow, *, first: bool) -> dict[str, Content]:
        """All but the names."""
        role = Content("-")
        if self.snapshot is None:
            return {"role": role, "state": toned("asking …", "quiet")}
        status = self.snapshot.status
        node, service = status.nodes[place.node], status.services.get(place.key)
        cells = {"role": role, "state": state(service.word if service else node.state)}
        if service:
            cells.update(node_columns.of_service(service, status.generated_at))
            said = self.said.get(place.key, "")
            if service.state == "ready" and said:
                cells["state"] = toned(f"{mark('degraded').symbol} {said}", "doubt")
        if not first:
            return cells
        cells["ssh"] = node_columns.ssh_mark(node)
        data = self.data[place.node]
        cells["data"] = node_columns.data_mark(self.fleet.nodes[place.node], data, self.networks)
        if late := late_words(self.snapshot, place.node):
            cells["rtt"] = toned(late, "doubt")
        else:
            history = tuple(self.seen.round_trips(place.node))
            bars = next((c.width for c in self.columns if c.head == "rtt"), 0)
            cells["rtt"] = node_columns.round_trips(history, data.expect_rtt_ms, bars)
        cells.update(node_columns.of_system(node))
        return cells


def late_words(snapshot: Snapshot, node: str) -> str:
    """See :func:`node_columns.late`."""
    status, heard = snapshot.status, snapshot.heard_at.get(node)
    return node_columns.late(status.nodes[node], heard, status.generated_at)
