"""The main screen: topology, nodes, logs, problems."""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import replace
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.events import DescendantBlur, DescendantFocus
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import OptionList

from fleetctl.service import Snapshot
from fleetctl.tui.host import Host
from fleetctl.tui.job_action import JobAction
from fleetctl.tui.logs.panel import LogPanel
from fleetctl.tui.messages import CursorMoved
from fleetctl.tui.screens.problem import ProblemScreen
from fleetctl.tui.selection import Selection
from fleetctl.tui.under_cursor import UnderCursor, of_instance
from fleetctl.tui.widgets.find_line import FindLine
from fleetctl.tui.widgets.guide_line import GuideLine
from fleetctl.tui.widgets.headline import ActionLine, Headline
from fleetctl.tui.widgets.nodes_panel import NodesPanel
from fleetctl.tui.widgets.problems_panel import ProblemsPanel
from fleetctl.tui.widgets.target_footer import TargetFooter
from fleetctl.tui.widgets.topology_panel import TopologyPanel

Panel = NodesPanel | TopologyPanel | ProblemsPanel | LogPanel


class Dashboard(Screen[None]):
    """The first screen; the others open over it."""

    app: Host
    ALLOW_IN_MAXIMIZED_VIEW = "Footer, FindLine, Headline"
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - as in the base
        (0, "-narrow"),
        (76, "-wide"),
        (120, "-broad"),
        (150, "-vast"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (32, "-high")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "app.start", "start"),
        Binding("x", "app.stop", "stop"),
        Binding("r", "app.restart", "restart"),
        Binding("a", "app.look_at", "look"),
        Binding("A", "app.attach", "type"),
        Binding("f", "app.fix", "fix"),
        Binding("F", "app.fix_all", "fix all"),
        Binding("u", "app.undo", "undo"),
        Binding("U", "app.undo_all", "undo all", show=False),
        Binding("c", "app.check", "check"),
        Binding("b", "app.bench", "bench", show=False),
        Binding("p", "app.web_page", "page", show=False),
        Binding("l", "logs", "log"),
        Binding("L", "all_logs", "all logs", show=False),
        Binding("slash", "find", "filter", show=False),
        Binding("n", "find_node", "find node", show=False),
        Binding("space", "mark", "mark", show=False),
        Binding("escape", "unmark", "no marks", show=False),
        Binding("t", "topology", "topology", show=False),
        Binding("z", "zoom", "zoom", show=False),
        Binding("e", "app.events", "events", show=False),
        Binding("J", "app.jobs", "jobs", show=False),
        Binding("o", "app.open_action", show=False),
        Binding("ctrl+r", "app.hurry", "ask again", show=False),
        Binding("question_mark", "app.help", "help", key_display="?"),
        Binding("d", "app.tour", "tour"),
        Binding("h", "app.mend", "mend"),
        Binding("q", "app.leave", "leave"),
    ]
    DEFAULT_CSS = """
    Dashboard { overflow: hidden; }
    Dashboard #upper { height: 11; }
    Dashboard.-low #upper { height: 10; }
    Dashboard.-low ProblemsPanel { max-height: 6; }
    Dashboard.-low GuideLine { max-height: 3; }
    Dashboard.-high #upper { height: 40%; min-height: 11; }
    Dashboard TopologyPanel { width: 1fr; }
    Dashboard NodesPanel { width: 1fr; }
    Dashboard.-narrow TopologyPanel { display: none; }
    Dashboard.-narrow TopologyPanel.-asked-for { display: block; }
    Dashboard.-narrow FooterKey.-spare, Dashboard.-wide FooterKey.-spare { display: none; }
    Dashboard LogPanel { height: 1fr; min-height: 3; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.selection = Selection()
        self._found_in: Panel | None = None
        """The panel that the cursor was in last."""

    def compose(self) -> ComposeResult:
        service = self.app.service
        yield Headline(service.fleet.name, service.job.name if service.job else None)
        yield GuideLine()
        yield ActionLine()
        with Horizontal(id="upper"):
            yield TopologyPanel(service.fleet, service.job)
            yield NodesPanel(service.fleet, service.job)
        yield self._log_panel()
        yield ProblemsPanel(service.job)
        yield FindLine()
        yield TargetFooter()

    def _log_panel(self) -> LogPanel:
        job = self.app.service.job
        return LogPanel([i.name for i in job.instances if i.command] if job else [])

    def take_job(self) -> None:
        """Show the app's job in place of the one that was shown."""
        job = self.app.service.job
        self.query_one(Headline).take_job(job.name if job else None)
        self.query_one(TopologyPanel).take_job(job)
        self.query_one(NodesPanel).take_job(job)
        self.query_one(ProblemsPanel).take_job(job)
        self.selection = Selection()
        self._marked()
        before = self.query_one(LogPanel)
        logs = self._log_panel()
        zoomed, focused = self.maximized is before, before.has_focus_within
        if zoomed:
            self.minimize()
        self.mount(logs, before=before)
        before.remove()
        if zoomed:
            self.call_after_refresh(self.maximize, logs)
        if focused:
            self.call_after_refresh(logs.focus)

    def on_mount(self) -> None:
        self.query_one(NodesPanel).query_one(OptionList).focus()
        self.watch(self.app, "snapshot", self._show)
        self.watch(self.app, "job_action", self._show_action)
        self.query_one(NodesPanel).sort(self.app.kept.sort)
        self._zoom_as_kept()
        self.watch(self, "maximized", self._zoomed, init=False)

    def _zoom_as_kept(self) -> None:
        panels = (TopologyPanel, NodesPanel, LogPanel, ProblemsPanel)
        for panel in panels:
            if panel.__name__ == self.app.kept.zoomed:
                found = self.query_one(panel)
                found.set_class(panel is TopologyPanel, "-asked-for")
                self.maximize(found)
                next(w for w in (found, *found.query("*")) if w.focusable).focus()

    def _zoomed(self, panel: Widget | None) -> None:
        zoomed = type(panel).__name__ if panel else ""
        self.app.keep(replace(self.app.kept, zoomed=zoomed))

    @on(NodesPanel.Sorted)
    def _sorted(self, event: NodesPanel.Sorted) -> None:
        self.app.keep(replace(self.app.kept, sort=event.by))

    # the cursor

    @property
    def under_cursor(self) -> UnderCursor:
        """What keys act on: what is marked, else the row of the cursor."""
        return self.selection.acted_on

    @on(CursorMoved)
    @on(DescendantFocus)
    @on(DescendantBlur)
    @on(OptionList.OptionHighlighted)
    def _cursor_moved(self) -> None:
        row = self._row()
        moved = row is not None and row.place != self.selection.row.place
        if row is not None:
            self.selection.row = row
        if moved:
            self._follow_cursor()
        self._name_targets()

    def _row(self) -> UnderCursor | None:
        """The row of the cursor, in the panel that has the focus; None: where it was."""
        for widget in self.focused.ancestors_with_self if self.focused else ():
            if isinstance(widget, NodesPanel | TopologyPanel | ProblemsPanel | LogPanel):
                self._found_in = widget
        job = self.app.service.job
        match self._found_in:
            case NodesPanel() | TopologyPanel() | ProblemsPanel():
                return self._found_in.under_cursor
            case LogPanel(instance=str(name)) if job:
                return next((of_instance(i) for i in job.instances if i.name == name), None)
        return None

    def _follow_cursor(self) -> None:
        """Put the cursors of the other panels on what this one is about."""
        row, here = self.selection.row, self._found_in
        if not row.nodes:
            return
        instance = row.instances[0] if row.instances else None
        node = instance.node if instance else row.nodes[0]
        if not isinstance(here, NodesPanel):
            self.query_one(NodesPanel).choose(node, instance.name if instance else "")
        if not isinstance(here, TopologyPanel):
            self.query_one(TopologyPanel).choose(node)
        if not isinstance(here, ProblemsPanel):
            self.query_one(ProblemsPanel).choose(row)

    def _name_targets(self) -> None:
        self.query_one(TargetFooter).show(self.under_cursor, self.app.service.job)

    def choose_node(self, node: str) -> None:
        """Put the cursor on ``node``."""
        self.query_one(NodesPanel).choose(node)
        self.query_one(TopologyPanel).choose(node)

    def action_mark(self) -> None:
        """Mark the row of the cursor, or take its mark away."""
        self.selection.toggle()
        self._marked()

    def action_unmark(self) -> None:
        """Show all rows of the panel again; else take all marks away."""
        panel = self._found_in
        if isinstance(panel, NodesPanel | TopologyPanel | ProblemsPanel) and panel.sought:
            panel.find("")
        else:
            self.selection.clear()
            self._marked()

    def _marked(self) -> None:
        marks = self.selection.marks
        self.query_one(NodesPanel).mark(marks)
        self.query_one(TopologyPanel).mark(marks)
        self._name_targets()

    def _show(self, snapshot: Snapshot | None) -> None:
        if snapshot is None:
            return
        self.query_one(Headline).show(snapshot)
        self.query_one(TopologyPanel).update_status(snapshot.status)
        self.query_one(NodesPanel).show(snapshot)
        self.query_one(ActionLine).agree(snapshot.status.services)
        self._show_problems()

    def _show_action(self, action: JobAction | None) -> None:
        self.query_one(ActionLine).show(action)
        self._show_problems()

    def _show_problems(self) -> None:
        if snapshot := self.app.snapshot:
            panel = self.query_one(ProblemsPanel)
            panel.show(snapshot.status, complete=snapshot.complete, action=self.app.job_action)

    @on(NodesPanel.NodeOpened)
    def _open_node(self, event: NodesPanel.NodeOpened) -> None:
        self.app.show_node(event.node)

    @on(TopologyPanel.NodeChosen)
    def _node_chosen(self, event: TopologyPanel.NodeChosen) -> None:
        self.app.show_node(event.node)

    @on(ProblemsPanel.ProblemOpened)
    def _explain(self, event: ProblemsPanel.ProblemOpened) -> None:
        self.app.push_screen(ProblemScreen(event.problem))

    @on(ProblemsPanel.ActionOpened)
    def _open_action(self) -> None:
        self.app.action_open_action()

    def action_logs(self) -> None:
        """Show the log of what is marked, else of the row of the cursor."""
        under, panel = self.under_cursor, self.query_one(LogPanel)
        if started := [i.name for i in under.started]:
            panel.show(started)
        elif under.name and panel.shown is not None:
            panel.show(None)
        if under.name and not started:
            self.notify(f"Nothing that fleetctl starts runs on {under.name}: these are all logs.")
        self._to_logs(panel)

    def action_all_logs(self) -> None:
        """Show all logs."""
        panel = self.query_one(LogPanel)
        panel.show(None)
        self._to_logs(panel)

    def _to_logs(self, panel: LogPanel) -> None:
        if self.maximized and self.maximized is not panel:
            self.maximize(panel)
        panel.focus()

    def action_find(self) -> None:
        """Filter the panel with the cursor."""
        match self._found_in:
            case NodesPanel() | TopologyPanel() | ProblemsPanel():
                self.query_one(FindLine).open(self._found_in)
            case LogPanel():
                self._found_in.action_filter()

    def action_find_node(self) -> None:
        """Filter the nodes."""
        self._found_in = self.query_one(NodesPanel)
        self.query_one(FindLine).open(self._found_in)

    @on(FindLine.Closed)
    def _found(self) -> None:
        if self._found_in is not None:
            next(w for w in (self._found_in, *self._found_in.query("*")) if w.focusable).focus()

    def action_topology(self) -> None:
        """Maximize the topology, or restore it."""
        panel = self.query_one(TopologyPanel)
        if self.maximized is panel:
            self.minimize()
            self.query_one(NodesPanel).query_one(OptionList).focus()
        else:
            self.maximize(panel)
            panel.focus()
        panel.set_class(self.maximized is panel, "-asked-for")

    def action_zoom(self) -> None:
        """Maximize the focused panel, or restore it."""
        if self.maximized:
            self.minimize()
        elif self.focused:
            for widget in reversed(self.focused.ancestors_with_self):  # the panel is outermost
                if isinstance(widget, Widget) and widget.ALLOW_MAXIMIZE:
                    self.maximize(widget)
                    return
