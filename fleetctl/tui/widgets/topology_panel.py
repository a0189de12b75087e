"""The topology panel: networks as lines, the nodes on them, and their state."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Blur, Click, Focus, Leave, MouseMove, Resize
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual

from fleetctl.marks import MARKS
from fleetctl.model.jobs import Job
from fleetctl.model.status import FleetStatus
from fleetctl.model.topology import Fleet
from fleetctl.tui.keymap import with_ids
from fleetctl.tui.messages import CursorMoved
from fleetctl.tui.tones import STYLES
from fleetctl.tui.topology import Cell, Drawing, Target, Topology
from fleetctl.tui.under_cursor import NOTHING, UnderCursor, of_link, of_node

_SCROLLBAR = 1
_MEANINGS = {"ok": "ok", "degraded": "degraded", "error": "wrong", "unknown": "not known"}
LEGEND = "  ".join(f"{MARKS[state].symbol} {meaning}" for state, meaning in _MEANINGS.items())


class TopologyPanel(ScrollView, can_focus=True):
    """The drawing, with a cursor that moves from node to node."""

    ALLOW_MAXIMIZE = True
    BORDER_TITLE = "Topology"
    BINDINGS: ClassVar[list[BindingType]] = with_ids(
        [
            Binding("up", "go('up')", "node above", show=False),
            Binding("down", "go('down')", "node below", show=False),
            Binding("left", "go('left')", "node to the left", show=False),
            Binding("right", "go('right')", "node to the right", show=False),
            Binding("left_square_bracket", "link(-1)", "link before", show=False),
            Binding("right_square_bracket", "link(1)", "next link", show=False),
            Binding("enter", "open", "open node", show=False),
        ],
        "topology.",
    )
    DEFAULT_CSS = f"""
    TopologyPanel {{
        border: round $panel-lighten-2;
        border-title-color: $foreground-muted; border-subtitle-color: $foreground-muted;
        overflow-x: hidden; scrollbar-size-vertical: {_SCROLLBAR};
    }}
    TopologyPanel:focus {{ border: round $accent; border-title-color: $text; }}
    """

    FINDS: ClassVar[str] = "part of a node's name or its services"

    class NodeChosen(Message):
        """A node's screen was asked for."""

        def __init__(self, node: str) -> None:
            super().__init__()
            self.node = node

    def __init__(self, fleet: Fleet, job: Job | None) -> None:
        super().__init__()
        self._fleet = fleet
        self._job = job
        self._topology = Topology(fleet, job)
        self._status: FleetStatus | None = None
        self._drawing = Drawing((), {})
        self._cursor: str | None = None
        self._link = ""
        """The network of the link that the cursor is on; empty: it is on the node itself."""
        self.sought = ""
        self._marks: frozenset[str] = frozenset()
        self._hovered: str | None = None

    def take_job(self, job: Job | None) -> None:
        """Draw the instances of another job."""
        self._job = job
        self._topology = Topology(self._fleet, job)
        self._status = None
        self._redraw()

    @property
    def drawing(self) -> Drawing:
        """What is shown."""
        return self._drawing

    def rows_at(self, columns: int) -> int:
        """The rows of the largest drawing in so many columns, with its border."""
        return 2 + len(self._topology.draw(None, columns - 2, 1000).rows)

    @property
    def cursor(self) -> str | None:
        """The node that the cursor is on."""
        return self._cursor

    @property
    def under_cursor(self) -> UnderCursor:
        """What keys act on."""
        if self._cursor is None:
            return NOTHING
        return of_link(self._cursor, self._link) if self._link else of_node(self._cursor, self._job)

    def update_status(self, status: FleetStatus) -> None:
        """Draw ``status``; does nothing when the drawing stays the same."""
        self._status = status
        self._redraw()

    def mark(self, names: frozenset[str]) -> None:
        """Show which nodes are marked, by names of nodes and instances."""
        nodes = frozenset(name.rpartition("@")[2] for name in names)
        if nodes != self._marks:
            self._marks = nodes
            self.refresh()

    def find(self, text: str) -> None:
        """Let the nodes with ``text`` stand out, and put the cursor on the first of them."""
        self.sought = text
        self.border_title = f"Topology · with {text!r}" if text else "Topology"
        drawn = dict.fromkeys((*self._drawing.places, *self._fleet.nodes))  # or only counted
        hits = [name for name in drawn if self._is_sought(name)]
        if text and hits and self._cursor not in hits:
            self.choose(hits[0])
        self.refresh()

    def _is_sought(self, node: str) -> bool:
        mine = self._job.on(node) if self._job else ()
        return self.sought.lower() in " ".join((node, *(i.name for i in mine))).lower()

    def choose(self, node: str, network: str = "") -> None:
        """Put the cursor on ``node``, or on its link to ``network``."""
        if (node, network) != (self._cursor, self._link) and node in self._fleet.nodes:
            self._cursor, self._link = node, network
            if node not in self._drawing.places:
                self._redraw()
            self.refresh()
            self.post_message(CursorMoved())
            self._show_cursor()

    @on(Resize)
    def _resized(self) -> None:
        self.border_subtitle = LEGEND if self.content_size.width > len(LEGEND) + 8 else ""
        self._redraw()

    def _redraw(self) -> None:
        columns, rows = self.content_size
        if not columns or not rows:
            return
        named = self._cursor or ""
        drawing = self._topology.draw(self._status, columns, rows, named)
        if len(drawing.rows) > rows:
            drawing = self._topology.draw(self._status, columns - _SCROLLBAR, rows, named)
        if drawing == self._drawing:
            return
        before, self._drawing = self._drawing, drawing
        if self._cursor is None:
            self._cursor = next(iter(drawing.places), None)
        self.post_message(CursorMoved())
        self.virtual_size = Size(0, len(drawing.rows))
        self._refresh_rows(before)

    def _refresh_rows(self, before: Drawing) -> None:
        """Draw the rows again that differ from those of ``before``; mostly a round trip did."""
        top, width = self.scroll_offset.y, self.content_size.width
        rows = zip_longest(before.rows, self._drawing.rows)
        self.refresh(
            *(Region(0, y - top, width, 1) for y, (old, new) in enumerate(rows) if old != new)
        )

    def render_line(self, y: int) -> Strip:
        """Line API: one row of the drawing."""
        width = self.scrollable_content_region.width
        row = y + self.scroll_offset.y
        cells = self._drawing.rows[row] if row < len(self._drawing.rows) else ()
        line = Content.assemble(*((cell.text, self._style(cell)) for cell in cells))
        strips = Visual.to_strips(self, line, width, 1, self.visual_style) if cells else []
        return strips[0] if strips else Strip.blank(width, self.rich_style)

    def _style(self, cell: Cell) -> str:
        style = STYLES[cell.tone] if cell.tone else ""
        if cell.target is None or cell.target.node is None:
            return style
        if self.sought and not self._is_sought(cell.target.node):
            return STYLES["quiet"]
        if cell.target.node in self._marks and cell.target.network is None:
            style += " bold underline"
        on_cursor = cell.target.node == self._cursor
        if on_cursor and self._is_here(cell.target) and cell.text.strip("│┿"):
            return f"{style} {'reverse' if self.has_focus else 'bold on $surface-lighten-1'}"
        on_cursor = on_cursor and self.has_focus
        if on_cursor or cell.target.node == self._hovered:
            return f"{style} bold underline" if cell.text.strip("│┿") else f"{style} bold"
        return style

    def _is_here(self, target: Target) -> bool:
        """Whether the cursor is on this link, or on the node itself, of its node."""
        if target.network is None or target.node is None:
            return not self._link
        return self._link in self._topology.cables(target.node, target.network)

    # cursor

    def action_go(self, way: str) -> None:
        """Move to the nearest node in that direction; to the first one without a cursor."""
        places = self._drawing.places
        if not places:
            return
        here = places.get(self._cursor or "")
        node = next(iter(places)) if here is None else _nearest(places, here, way)
        if node is not None:
            self.choose(node)

    def action_link(self, step: int) -> None:
        """Go from the node to its links, one by one, and back to it."""
        if self._cursor is not None:
            targets = [c.target for row in self._drawing.rows for c in row if c.target]
            drawn = [t.network for t in targets if t.network and t.node == self._cursor]
            cables = [cable for n in drawn for cable in self._topology.cables(self._cursor, n)]
            stops = ["", *dict.fromkeys(cables)]
            place = stops.index(self._link) if self._link in stops else 0
            self.choose(self._cursor, stops[(place + step) % len(stops)])

    def action_open(self) -> None:
        """Ask for the screen of the node under the cursor."""
        for node in self.under_cursor.nodes:
            self.post_message(self.NodeChosen(node))

    def _show_cursor(self) -> None:
        if place := self._drawing.places.get(self._cursor or ""):
            row, column = place
            self.scroll_to_region(Region(column, row, 1, 2), animate=False)

    @on(Focus)
    @on(Blur)
    def _focus_moved(self) -> None:
        self.refresh()

    # mouse

    @on(Click)
    def _clicked(self, event: Click) -> None:
        target = self._target_under(event)
        if target and target.node is not None:
            network = target.network or ""
            self.choose(target.node, network and self._topology.cables(target.node, network)[0])
            if event.chain > 1:
                self.post_message(self.NodeChosen(target.node))

    @on(MouseMove)
    def _moved(self, event: MouseMove) -> None:
        self._hover(self._node_under(event))

    @on(Leave)
    def _left(self) -> None:
        self._hover(None)

    def _hover(self, node: str | None) -> None:
        if node != self._hovered:
            self._hovered = node
            self.refresh()

    def _node_under(self, event: MouseMove) -> str | None:
        found = self._target_under(event)
        return found.node if found else None

    def _target_under(self, event: Click | MouseMove) -> Target | None:
        offset = event.get_content_offset(self)
        if offset is None:
            return None
        return self._drawing.target_at(offset.y + self.scroll_offset.y, offset.x)


def _nearest(places: Mapping[str, tuple[int, int]], here: tuple[int, int], way: str) -> str | None:
    """The next node in the row, or the closest column in the next row that has nodes."""
    row, column = here
    if way in ("left", "right"):
        sign = 1 if way == "right" else -1
        beside = [(sign * (c - column), n) for n, (r, c) in places.items() if r == row]
        return min(((d, n) for d, n in beside if d > 0), default=(0, None))[1]
    sign = 1 if way == "down" else -1
    beyond = [
        (sign * (r - row), abs(c - column), n)
        for n, (r, c) in places.items()
        if sign * (r - row) > 0
    ]
    return min(beyond, default=(0, 0, None))[2]
