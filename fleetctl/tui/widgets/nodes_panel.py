"""The nodes, a line per instance: marks for ssh and data, state, round trip, load, memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
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
from fleetctl.health.round_trips import highest
from fleetctl.marks import mark, verdict
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.status import FleetStatus, NodeStatus
from fleetctl.model.topology import Fleet
from fleetctl.quantities import duration, rtt
from fleetctl.service import Snapshot
from fleetctl.tui.messages import CursorMoved
from fleetctl.tui.sparkline import sparkline
from fleetctl.tui.tones import drawn, state, toned
from fleetctl.tui.under_cursor import NOTHING, UnderCursor, of_instance
from fleetctl.tui.widgets.rows import Rows
from fleetctl.words.system import load, memory

HISTORY = 60
"""Round trips kept per node."""
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


class _Column(Struct, frozen=True):
    head: str
    width: int
    right: bool = False


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

    def __init__(self, fleet: Fleet, job: Job | None) -> None:
        super().__init__()
        self._fleet = fleet
        self._rtts: dict[str, deque[float | None]] = {}
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
            history = self._rtts.setdefault(node, deque(maxlen=HISTORY))
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

    def _columns(self) -> list[_Column]:
        """The columns that fit; the least important are left out first."""
        names = max(len(name) for name in self._fleet.nodes)
        roles = max((len(p.instance.service) for p in self._node_rows if p.instance), default=4)
        always = [
            _Column("ssh", 3),
            _Column("data", 5),
            _Column("node", min(max(names, 4), 16)),
            _Column("role", min(max(roles, 4), 12)),
            _Column("state", 12),
        ]
        optional = [
            _Column("rtt", 16),
            _Column("load", 5, True),
            _Column("mem", 4, True),
            _Column("temp", 5, True),
        ]
        room = self.size.width - 2 - sum(c.width + 1 for c in always)
        for column in optional:
            if room < column.width + 1:
                break
            room -= column.width + 1
            always.append(column)
        return always

    def _draw(self) -> None:
        if not self.is_mounted or not self.size.width:
            return
        columns = self._columns()
        head = " ".join(
            c.head.rjust(c.width) if c.right else c.head.ljust(c.width) for c in columns
        )
        if head != self._head:
            self._head = head
            self.query_one("#head", Static).update(head, layout=False)
        shown = self._shown()
        rows = []
        before = ""
        for place in shown:
            cells = self._cells(place, first=place.node != before)
            before = place.node
            if place.key in self._marks:
                mine = cells.get("ssh", Content(" "))
                cells["ssh"] = Content.assemble(mine, toned(f" {MARKED}", "busy"))
            rows.append((place.key, _line(columns, cells)))
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

    def _cells(self, place: NodeRow, *, first: bool) -> dict[str, Content]:
        role = Content(place.instance.service if place.instance else "-")
        if self._snapshot is None:
            return {"node": Content(place.node), "role": role, "state": toned("asking …", "quiet")}
        node = self._node(place)
        service = self._snapshot.status.services.get(place.key)
        cells = {"role": role, "state": state(service.word if service else node.state)}
        if not first:
            return cells
        cells["node"] = Content(place.node)
        cells["ssh"] = _ssh_mark(node)
        cells["data"] = self._data_mark(place.node)
        if late := self._late(place.node, node):
            cells["rtt"] = toned(late, "doubt")
        else:
            cells["rtt"] = self._round_trips(place.node)
        cells.update(_system(node))
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

    def _round_trips(self, node: str) -> Content:
        history = self._rtts.get(node)
        if not history:
            return toned("-", "quiet")
        newest = history[-1]
        figure = rtt(newest) if newest is not None else "-"
        expected_ms = self._data[node].expect_rtt_ms
        if newest is None or expected_ms is None:
            return Content(figure.ljust(8) + sparkline(tuple(history), 8))
        most_ms = highest(expected_ms)
        text = figure.ljust(8) + sparkline(tuple(history), 8, most_ms)
        return toned(text, "good" if newest <= most_ms else "doubt")


def _ssh_mark(node: NodeStatus) -> Content:
    if node.state == "external":
        return drawn(mark("external"))
    return drawn(mark("degraded") if node.ssh.via else verdict(node.ssh.reachable))


def _system(node: NodeStatus) -> Iterator[tuple[str, Content]]:
    system = node.system
    if system is None:
        return
    busy = system.load1 is not None and system.cpus and system.load1 > 2 * system.cpus
    yield "load", toned(load(system), "doubt") if busy else Content(load(system))
    full = (system.memory_percent or 0) >= 95
    yield "mem", toned(memory(system), "doubt") if full else Content(memory(system))
    if system.temperature_c is not None:
        hot = system.temperature_c >= 80 or system.throttled
        text = f"{system.temperature_c:.0f}°C"
        yield "temp", toned(text, "doubt") if hot else Content(text)


def _line(columns: Sequence[_Column], cells: dict[str, Content]) -> Content:
    parts = []
    for column in columns:
        cell = cells.get(column.head, Content("")).truncate(column.width, ellipsis=True)
        gap = " " * (column.width - cell.cell_length)
        parts.append(Content.assemble(gap, cell) if column.right else Content.assemble(cell, gap))
    return Content(" ").join(parts)
