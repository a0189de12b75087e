"""The nodes, a line per instance: marks for ssh and data, state, round trip, load, memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from msgspec import Struct
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.events import Resize
from textual.message import Message
from textual.widgets import OptionList, Static

from fleetctl.health.attachments import DataState, data_networks, data_states
from fleetctl.marks import mark, verdict
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.status import FleetStatus, NodeStatus
from fleetctl.model.topology import Fleet
from fleetctl.quantities import duration
from fleetctl.tui.job_line import rank_trouble, silent_ranks
from fleetctl.tui.messages import CursorMoved
from fleetctl.tui.seen import Seen
from fleetctl.tui.tones import drawn, state, toned
from fleetctl.tui.under_cursor import NOTHING, UnderCursor, of_instance
from fleetctl.tui.widgets import node_columns
from fleetctl.tui.widgets.node_columns import Names
from fleetctl.tui.widgets.rows import Rows
from fleetctl.undertakings import Snapshot

STALE_S = 10.0
"""Facts older than this are shown with their age."""
_WORST = ("unreachable", "degraded", "unknown", "ok", "external")
MARKED = "◆"
SORTS = ("file", "worst", "load", "memory")


class NodeRow(Struct, frozen=True):
    """The node and instance of a row."""

    node: str
    instance: Instance | None

    @property
    def key(self) -> str:
        return self.instance.name if self.instance else self.node


def node_rows(fleet: Fleet, job: Job | None) -> tuple[NodeRow, ...]:
    """A row for each instance, and for each node without one, in the order of nodes.yaml."""
    found: list[NodeRow] = []
    for node in fleet.nodes:
        mine = job.on(node) if job else ()
        found += [NodeRow(node, i) for i in mine] or [NodeRow(node, None)]
    return tuple(found)


class NodesPanel(Vertical):
    """Rows with a cursor; Enter opens the node's screen."""

    ALLOW_MAXIMIZE = True
    BORDER_TITLE = "Nodes"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("S", "sort", "sort", show=False),
    ]
    DEFAULT_CSS = """
    NodesPanel { border: round $panel-lighten-2; border-title-color: $foreground-muted;
                 height: 1fr; }
    NodesPanel:focus-within { border: round $accent; border-title-color: $text; }
    NodesPanel > #head { height: 1; color: $foreground-muted; text-wrap: nowrap; }
    """

    FINDS: ClassVar[str] = "part of a name, a role or a state"

    class NodeOpened(Message):
        """A node's screen was asked for."""

        def __init__(self, node: str) -> None:
            super().__init__()
            self.node = node

    class Sorted(Message):
        """The user chose another order."""

        def __init__(self, by: str) -> None:
            super().__init__()
            self.by = by

    def __init__(self, fleet: Fleet, job: Job | None, seen: Seen | None = None) -> None:
        super().__init__()
        self._fleet = fleet
        self._seen = seen or Seen()
        self._sort = "file"
        self.sought = ""
        self._marks: frozenset[str] = frozenset()
        self._head = ""
        self.take_job(job)

    def take_job(self, job: Job | None) -> None:
        """Show the instances of ``job``; the round trips of nodes are kept."""
        self._job = job
        self._node_rows = node_rows(self._fleet, job)
        self._data_networks = frozenset(data_networks(self._fleet, job))
        self._by_key = {place.key: place for place in self._node_rows}
        self._snapshot: Snapshot | None = None
        self._data: Mapping[str, DataState] = {}
        self._draw()

    def compose(self) -> ComposeResult:
        yield Static(id="head", markup=False)
        yield Rows(id="rows")

    def on_mount(self) -> None:
        self._draw()

    @on(Resize)
    def _resized(self) -> None:
        self._draw()

    @property
    def under_cursor(self) -> UnderCursor:
        """What keys act on."""
        key = self.query_one(Rows).key
        if not key:
            return NOTHING
        row = self._by_key[key]
        return of_instance(row.instance) if row.instance else UnderCursor(row.node, (row.node,))

    def choose(self, node: str, instance: str = "") -> None:
        """Put the cursor on ``instance``, else on a row of ``node``."""
        rows = self.query_one(Rows)
        here = self._by_key.get(rows.key or "")
        if here and (here.key == instance or (not instance and here.node == node)):
            return
        keys = [place.key for place in self._shown() if place.node == node]
        if keys:
            rows.highlighted = rows.get_option_index(instance if instance in keys else keys[0])

    def show(self, snapshot: Snapshot) -> None:
        """Draw ``snapshot``."""
        self._snapshot = snapshot
        self._data = data_states(self._fleet, self._job, snapshot.status)
        for node, data in self._data.items():
            history = self._seen.round_trips(node)
            if data.rtt_ms is not None or history:
                history.append(data.rtt_ms)
        self._draw()

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.post_message(self.NodeOpened(self._by_key[event.option_id or ""].node))

    # filter and sort

    def find(self, text: str) -> None:
        """Show only the rows that contain ``text``."""
        self.sought = text
        self._draw()

    def mark(self, names: frozenset[str]) -> None:
        """Show which rows are marked."""
        if names != self._marks:
            self._marks = names
            self._draw()

    def action_sort(self) -> None:
        """Sort by the next of :data:`SORTS`."""
        self.sort(SORTS[(SORTS.index(self._sort) + 1) % len(SORTS)])
        self.post_message(self.Sorted(self._sort))

    def sort(self, by: str) -> None:
        """Sort by one of :data:`SORTS`; any other word changes nothing."""
        if by in SORTS:
            self._sort = by
            self._draw()

    def _shown(self) -> list[NodeRow]:
        found = [p for p in self._node_rows if self.sought.lower() in self._words(p)]
        if self._status is None:
            return found
        if self._sort == "worst":
            found.sort(key=self._badness)
        elif self._sort != "file":
            found.sort(key=self._usage)
        return found

    def _words(self, place: NodeRow) -> str:
        words = [place.key, place.node]
        if self._status:
            service = self._status.services.get(place.key)
            words += [self._node(place).state, service.state if service else ""]
        return " ".join(words).lower()

    def _badness(self, place: NodeRow) -> tuple[int, int]:
        assert self._status
        service = self._status.services.get(place.key)
        bad = service is not None and service.state not in ("ready", "exited")
        return (_WORST.index(self._node(place).state), 0 if bad else 1)

    def _usage(self, place: NodeRow) -> float:
        system = self._node(place).system
        if system is None:
            return 0.0
        if self._sort == "load":
            return -(system.load1 or 0.0)
        return -(system.memory_percent or 0)

    # drawing

    @property
    def _status(self) -> FleetStatus | None:
        return self._snapshot.status if self._snapshot else None

    def _node(self, place: NodeRow) -> NodeStatus:
        assert self._snapshot
        return self._snapshot.status.nodes[place.node]

    @property
    def names(self) -> Names:
        """What the columns are made for."""
        roles = tuple(p.instance.service for p in self._node_rows if p.instance)
        progress = self._status.progress if self._status else None
        steps = progress is not None and progress.step is not None
        return Names(tuple(self._fleet.nodes), roles, steps)

    @property
    def lines(self) -> int:
        """How many rows it has without a filter."""
        return len(self._node_rows)

    def _draw(self) -> None:
        if not self.is_mounted or not self.size.width:
            return
        columns = node_columns.columns(self.names, self.size.width + 2)  # with its border
        head = node_columns.head_line(columns)
        if head != self._head:
            self._head = head
            self.query_one("#head", Static).update(head, layout=False)
        names = node_columns.elided(self._fleet.nodes, columns, node_columns.NODE)
        roles = node_columns.elided(self.names.roles, columns, node_columns.ROLE)
        bars = next((c.width for c in columns if c.head == "rtt"), 0)
        status = self._status
        silent = silent_ranks(status) if status else {}
        rows = []
        before = ""
        shown = self._shown()
        for place in shown:
            cells = self._cells(place, first=place.node != before, bars=bars, silent=silent)
            if place.node != before:
                cells["node"] = Content(names[place.node])
            if place.instance:
                cells["role"] = Content(roles[place.instance.service])
            if place.key in self._marks:
                mine = cells.get("ssh", Content(" "))
                cells["ssh"] = Content.assemble(mine, toned(f" {MARKED}", "busy"))
            before = place.node
            rows.append((place.key, node_columns.line(columns, cells)))
        self.query_one(Rows).show(rows)
        self.post_message(CursorMoved())
        self._title(len(shown))

    def _title(self, shown: int) -> None:
        title = "Nodes"
        if self._sort != "file":
            title += f" · {self._sort} first"
        if self._marks:
            title += f" · {len(self._marks)} marked"
        if self.sought:
            title += f" · {shown} of {len(self._node_rows)}"
        if self.border_title != title:
            self.border_title = title

    def _cells(
        self, place: NodeRow, *, first: bool, bars: int, silent: Mapping[str, float]
    ) -> dict[str, Content]:
        """All but the names."""
        role = Content("-")
        if self._snapshot is None:
            return {"role": role, "state": toned("asking …", "quiet")}
        status, node = self._snapshot.status, self._node(place)
        service = status.services.get(place.key)
        cells = {"role": role, "state": state(service.word if service else node.state)}
        if service:
            cells.update(node_columns.of_service(service, status.generated_at))
            said = rank_trouble(status, place.key, silent, self._snapshot.heard_at)
            if not said and self._data[place.node].ok is False:
                said = "cut off"
            if service.state == "ready" and said:
                cells["state"] = toned(f"{mark('degraded').symbol} {said}", "doubt")
        if not first:
            return cells
        cells["ssh"] = node_columns.ssh_mark(node)
        cells["data"] = self._data_mark(place.node)
        if late := self._late(place.node, node):
            cells["rtt"] = toned(late, "doubt")
        else:
            expected_ms = self._data[place.node].expect_rtt_ms
            history = tuple(self._seen.round_trips(place.node))
            cells["rtt"] = node_columns.round_trips(history, expected_ms, bars)
        cells.update(node_columns.of_system(node))
        return cells

    def _data_mark(self, name: str) -> Content:
        node = self._fleet.nodes[name]
        if self._data_networks.isdisjoint((*node.networks, *node.via)):
            return toned("-", "quiet")
        data = self._data[name]
        if data.ok is False and data.wrong:
            return toned(f"✖ {data.wrong}", "bad")
        return drawn(mark("degraded") if data.ok and data.poor else verdict(data.ok))

    def _late(self, name: str, node: NodeStatus) -> str:
        """The age of a node's facts, when they are old; else empty."""
        assert self._snapshot
        heard = self._snapshot.heard_at.get(name)
        if node.state == "external" or (heard is None and node.state != "unreachable"):
            return ""
        if heard is None:
            return "never answered"
        age_s = (self._snapshot.status.generated_at - heard).total_seconds()
        if node.state == "unreachable":
            return f"lost {duration(max(0.0, age_s))} ago"
        return f"{duration(age_s)} old" if age_s > STALE_S else ""
