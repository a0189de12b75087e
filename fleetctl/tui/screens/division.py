"""Dividing the dashboard's room among its panels, by the layout that was chosen."""

from __future__ import annotations

from msgspec.structs import replace
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from fleetctl.tui.host import Host
from fleetctl.tui.layouts import LAYOUTS, LEAST, room
from fleetctl.tui.logs.panel import LogPanel
from fleetctl.tui.widgets import node_columns
from fleetctl.tui.widgets.detail_panel import DetailPanel
from fleetctl.tui.widgets.nodes_panel import NodesPanel
from fleetctl.tui.widgets.problems_panel import ProblemsPanel
from fleetctl.tui.widgets.topology_panel import TopologyPanel

_PANELS = (TopologyPanel, NodesPanel, LogPanel, ProblemsPanel, DetailPanel)


class Division:
    """Of one dashboard; what it is like is kept for the next time."""

    def __init__(self, screen: Screen[None]) -> None:
        self._screen = screen
        self._stepping = False
        """Whether the nodes' table has steps, by which the room was divided."""

    @property
    def _app(self) -> Host:
        app = self._screen.app
        assert isinstance(app, Host)
        return app

    def take(self, layout: str) -> None:
        """Take one of the layouts, also the next time."""
        if self._screen.maximized:
            self._screen.minimize()
        kept = replace(self._app.kept, layout="" if layout == LAYOUTS[0] else layout)
        self._app.keep(kept)

    @property
    def outdated(self) -> bool:
        """Whether the nodes' table wants another room by now."""
        return self._screen.query_one(NodesPanel).names.steps != self._stepping

    def divide(self) -> None:
        """Give each panel its room."""
        screen = self._screen
        width, height = self._app.size
        kept = self._app.kept.layout
        layout = kept if kept in LAYOUTS else LAYOUTS[0]
        nodes, topology = screen.query_one(NodesPanel), screen.query_one(TopologyPanel)
        self._stepping = nodes.names.steps
        wants = node_columns.wanted(nodes.names), node_columns.wanted_by_all(nodes.names)
        known = room(layout, width, height, wants, 0, nodes.lines + 3)
        drawn = topology.rows_at(known.topology) if known.topology else 0
        known = room(layout, width, height, wants, drawn, nodes.lines + 3)
        topology.set_class(known.topology > 0, "-has-room")
        grown = screen.maximized is topology or not known.topology
        topology.styles.width = "1fr" if grown else known.topology
        details = screen.query_one(DetailPanel)
        details.set_class(known.details > 0, "-has-room")
        below = 0 < width <= known.details
        grown = below or screen.maximized is details or not known.details
        details.styles.width = "1fr" if grown else known.details
        screen.set_class(below, "-details-below")
        screen.query_one("#upper").styles.height = known.upper
        screen.set_class(width < LEAST[0] or height < LEAST[1], "-too-small")
        least, here = (f"{columns}x{rows}" for columns, rows in (LEAST, (width, height)))
        said = f"The rest needs {least}; this is {here}."
        screen.query_one("#too-small", Static).update(said, layout=False)

    def zoom_as_kept(self) -> None:
        """Enlarge the panel that was large the last time."""
        for panel in _PANELS:
            if panel.__name__ == self._app.kept.zoomed:
                found = self._screen.query_one(panel)
                found.set_class(panel is TopologyPanel, "-asked-for")
                self._screen.maximize(found)
                next(w for w in (found, *found.query("*")) if w.focusable).focus()

    def keep_zoom(self, panel: Widget | None) -> None:
        """Keep which panel is large, for the next time."""
        zoomed = type(panel).__name__ if panel else ""
        self._app.keep(replace(self._app.kept, zoomed=zoomed))
