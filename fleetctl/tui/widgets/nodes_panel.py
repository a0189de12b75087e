"""The nodes, a line per instance: marks for ssh and data, state, round trip, load, memory. Where
they are many, equal ones are one line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.events import Resize
from textual.message import Message
from textual.widgets import OptionList, Static

from fleetctl.health.attachments import DataState, data_networks, data_states
from fleetctl.model.jobs import Job
from fleetctl.model.node_status import NodeStatus
from fleetctl.model.status import FleetStatus
from fleetctl.model.topology import Fleet
from fleetctl.tui import node_order
from fleetctl.tui.folding import (
    CLOSED,
    FROM,
    LEAST,
    Fold,
    Likenesses,
    NodeRow,
    folded,
    is_bad,
    is_well,
    likeness,
    node_rows,
)
from fleetctl.tui.job_line import rank_trouble, silent_ranks, waiting_ranks
from fleetctl.tui.keymap import with_ids
from fleetctl.tui.messages import CursorMoved
from fleetctl.tui.seen import Seen
from fleetctl.tui.under_cursor import NOTHING, UnderCursor
from fleetctl.tui.widgets import node_columns
from fleetctl.tui.widgets.node_columns import Column, Names
from fleetctl.tui.widgets.node_lines import NodeLines, late_words
from fleetctl.tui.widgets.rows import Rows
from fleetctl.undertakings import Snapshot

FOLDED_ROWS = 10
"""The rows of a table that folds: enough for some odd ones, and the same in every state."""


class NodesPanel(Vertical):
    """Rows with a cursor; Enter opens the node's screen, or the equal ones of a fold."""

    ALLOW_MAXIMIZE = True
    BORDER_TITLE = "Nodes"
    BINDINGS: ClassVar[list[BindingType]] = with_ids(
        [
            Binding("S", "sort", "sort", show=False),
            Binding("right", "unfold", "show each", show=False),
            Binding("left", "fold", "fold", show=False),
        ],
        "nodes.",
    )
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
        self._folds: dict[str, Fold] = {}
        """What is folded now, by key of its row."""
        self._unfolded: set[str] = set()
        self._said: dict[str, str] = {}
        """By row: what is wrong with it, in a few words."""
        self._snapshot: Snapshot | None = None
        self._data: Mapping[str, DataState] = {}
        self._bad = 0
        """How many rows have something wrong, where not all fit."""
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
        return (self._folds.get(key) or self._by_key[key]).under_cursor

    def choose(self, node: str, instance: str = "") -> None:
        """Put the cursor on ``instance``, else on a row of ``node``."""
        rows = self.query_one(Rows)
        here = self._by_key.get(rows.key or "")
        if here and (here.key == instance or (not instance and here.node == node)):
            return
        keys = [key for key in rows.keys if (at := self._by_key.get(key)) and at.node == node]
        keys += [k for k, fold in self._folds.items() if any(r.node == node for r in fold.rows)]
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
            self._seen.take_usage(node, snapshot.status.nodes[node].system)
        self._draw()

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        key = event.option_id or ""
        if key in self._folds:
            self._fold(key, unfolded=key not in self._unfolded)
        else:
            self.post_message(self.NodeOpened(self._by_key[key].node))

    # folds

    def action_unfold(self) -> None:
        """Show each of the nodes that the row under the cursor stands for."""
        if (key := self.query_one(Rows).key) in self._folds:
            self._fold(str(key), unfolded=True)

    def action_fold(self) -> None:
        """Show the equal ones as one row again."""
        key = self.query_one(Rows).key or ""
        place = self._by_key.get(key)
        fold = next((k for k, fold in self._folds.items() if k == key or place in fold.rows), "")
        if fold:
            self._fold(fold, unfolded=False)

    def _fold(self, key: str, *, unfolded: bool) -> None:
        (self._unfolded.add if unfolded else self._unfolded.discard)(key)
        self._draw()
        if not unfolded:
            rows = self.query_one(Rows)
            rows.highlighted = rows.get_option_index(key)

    def _entries(self, shown: list[NodeRow]) -> list[NodeRow | Fold]:
        """What has a row: of many, equal ones together, and where not all fit, what is not well
        first. What is sought, or sorted by a figure, is shown one by one in its order."""
        room = self.query_one(Rows).size.height
        status, self._bad = self._status, 0
        by_itself = self.sought or self._sort in node_order.BY_FIGURE
        if by_itself or len(shown) <= min(room or FROM, FROM):
            return list(shown)
        alike = self._likenesses(shown)
        self._bad = alike.bad
        least = LEAST if len(shown) > FROM else len(shown) + 1
        found: list[NodeRow | Fold] = []
        for entry in folded(shown, alike, lambda row: node_order.badness(row, status), least=least):
            found.append(entry)
            if isinstance(entry, Fold) and entry.key in self._unfolded:
                found += entry.rows
        return found

    def _likenesses(self, shown: list[NodeRow]) -> Likenesses:
        of, last, bad = {}, set(), 0
        for place in shown:
            said, doubts = self._said.get(place.key, ""), self._doubts(place)
            marked = place.key in self._marks
            data = self._data.get(place.node)
            like = likeness(place, self._status, data, said, doubts, marked)
            of[place.key] = like
            if self._is_well(place) or self._is_unasked(place):
                last.add(like)
            elif self._status:
                bad += is_bad(place, self._status, said)
        return Likenesses(of, last, bad)

    def _is_unasked(self, place: NodeRow) -> bool:
        return self._status is not None and self._node(place).ssh.unasked

    def _is_well(self, place: NodeRow) -> bool:
        said = self._said.get(place.key, "")
        return is_well(place, self._status, said, self._doubts(place))

    def _doubts(self, place: NodeRow) -> list[str]:
        if self._status is None:
            return []
        service = self._status.services.get(place.key)
        return node_columns.doubtful(self._node(place), service, self._data[place.node])

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
        """Sort by the next of :data:`~fleetctl.tui.node_order.SORTS`."""
        self.sort(
            node_order.SORTS[(node_order.SORTS.index(self._sort) + 1) % len(node_order.SORTS)]
        )
        self.post_message(self.Sorted(self._sort))

    def sort(self, by: str) -> None:
        """Sort by one of :data:`~fleetctl.tui.node_order.SORTS`; any other word changes nothing."""
        if by in node_order.SORTS:
            self._sort = by
            self._draw()

    def _shown(self) -> list[NodeRow]:
        return node_order.ordered(self._node_rows, self._status, self._sort, self.sought)

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
        many = len(self._node_rows)
        titles = (f"{CLOSED} {many} nodes",) if many > FROM else ()
        return Names((*self._fleet.nodes, *titles), roles, steps)

    @property
    def lines(self) -> int:
        """How many rows it wants without a filter."""
        return len(self._node_rows) if len(self._node_rows) <= FROM else FOLDED_ROWS

    def _draw(self) -> None:
        if not self.is_mounted or not self.size.width:
            return
        columns = node_columns.columns(self.names, self.size.width + 2)  # with its border
        head = node_columns.head_line(columns)
        if head != self._head:
            self._head = head
            self.query_one("#head", Static).update(head, layout=False)
        self._say()
        shown = self._shown()
        entries = self._entries(shown)
        self._folds = {entry.key: entry for entry in entries if isinstance(entry, Fold)}
        lines = self._made_of(columns)
        rows: list[tuple[str, Callable[[], Content]]] = []
        before = ""
        for entry in entries:
            node = "" if isinstance(entry, Fold) else entry.node
            rows.append((entry.key, partial(lines.line, entry, first=node != before)))
            before = node
        self.query_one(Rows).show(rows)
        self.post_message(CursorMoved())
        self._title(len(shown))

    def _made_of(self, columns: Sequence[Column]) -> NodeLines:
        return NodeLines(
            self._fleet,
            columns,
            node_columns.elided(self._fleet.nodes, columns, node_columns.NODE),
            node_columns.elided(self.names.roles, columns, node_columns.ROLE),
            self._snapshot,
            self._data,
            self._data_networks,
            self._seen,
            self._said,
            self._marks,
            frozenset(self._unfolded),
        )

    def _say(self) -> None:
        """Find out once what is wrong with each row."""
        self._said = {}
        if self._snapshot is None:
            return
        status, heard = self._snapshot.status, self._snapshot.heard_at
        silent, waiting = silent_ranks(status), waiting_ranks(status)
        for place in self._node_rows:
            if place.key in status.services:
                said = rank_trouble(status, place.key, silent, heard)
                cut_off = "cut off" if self._data[place.node].ok is False else ""
                said = said or cut_off or waiting.get(place.key, "")
            else:
                said = late_words(self._snapshot, place.node)
            if said:
                self._said[place.key] = said

    def _title(self, shown: int) -> None:
        title = "Nodes"
        if self._sort != "file":
            title += f" · {self._sort} first"
        if self._marks:
            title += f" · {len(self._marks)} marked"
        if self._bad:
            title += f" · {self._bad} not well"
        if self.sought:
            title += f" · {shown} of {len(self._node_rows)}"
        if self.border_title != title:
            self.border_title = title
