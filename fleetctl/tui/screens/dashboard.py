"""The main screen: topology, nodes, logs, problems."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from msgspec.structs import replace
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.events import DescendantBlur, DescendantFocus, Resize, ScreenResume
from textual.geometry import Size
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import OptionList, Static

from fleetctl.logs.events import LogEvent
from fleetctl.tui.dashboard_keys import DASHBOARD_KEYS
from fleetctl.tui.host import Host
from fleetctl.tui.job_action import JobAction
from fleetctl.tui.layouts import LOW
from fleetctl.tui.logs.panel import LogPanel
from fleetctl.tui.messages import CursorMoved
from fleetctl.tui.screens.covered import Coverable
from fleetctl.tui.screens.division import Division
from fleetctl.tui.screens.problem import ProblemScreen
from fleetctl.tui.selection import Selection
from fleetctl.tui.under_cursor import NOTHING, UnderCursor, of_instance
from fleetctl.tui.widgets.detail_panel import LINES, DetailPanel
from fleetctl.tui.widgets.find_line import FindLine
from fleetctl.tui.widgets.guide_line import GuideLine
from fleetctl.tui.widgets.headline import ActionLine, Headline
from fleetctl.tui.widgets.nodes_panel import NodesPanel
from fleetctl.tui.widgets.problems_panel import ProblemsPanel
from fleetctl.tui.widgets.target_footer import TargetFooter
from fleetctl.tui.widgets.topology_panel import TopologyPanel
from fleetctl.undertakings import Snapshot

Panel = NodesPanel | TopologyPanel | ProblemsPanel | LogPanel

_AWAY = "-away"
"""The class of logs of a job that is not shown."""
DETAILS_S = 0.03
"""How long details wait for the next key."""


class Dashboard(Coverable[None]):
    """The first screen; the others open over it."""

    app: Host
    ALLOW_IN_MAXIMIZED_VIEW = "KeyLine, FindLine, Headline"
    VERTICAL_BREAKPOINTS = [(0, "-low"), (LOW, "-high")]  # noqa: RUF012 - as in the base
    BINDINGS = DASHBOARD_KEYS
    DEFAULT_CSS = """
    /* as important as where Textual aligns and hatches round a panel that fills the screen: that
       changes nothing here, and all panels would be drawn anew */
    Dashboard { overflow: hidden !important; align: left top !important; hatch: none !important;
                layers: base over; }
    /* it lies over a border: a row of its own would move everything: all would be drawn again */
    Dashboard FindLine { layer: over; dock: bottom; margin-bottom: 1; }
    Dashboard #too-small { layer: over; display: none; width: 100%; height: 100%; margin: 1 0;
                           padding: 0 1; background: $surface; }
    Dashboard.-too-small #too-small { display: block; }
    Dashboard #body, Dashboard #main { height: 1fr; }
    Dashboard #main { width: 1fr; }
    Dashboard #upper { height: 11; }
    Dashboard.-low ProblemsPanel { max-height: 6; &.-maximized { max-height: 100%; } }
    Dashboard.-low GuideLine { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    Dashboard.-low.-acting GuideLine { display: none; }
    Dashboard NodesPanel { width: 1fr; }
    Dashboard TopologyPanel, Dashboard DetailPanel { display: none; }
    Dashboard TopologyPanel.-has-room, Dashboard TopologyPanel.-asked-for,
    Dashboard DetailPanel.-has-room { display: block; }
    Dashboard.-details-below #body { layout: vertical; }
    Dashboard.-details-below #main { height: auto; }
    Dashboard.-details-below LogPanel, Dashboard LogPanel.-away { display: none; }
    Dashboard LogPanel { height: 1fr; min-height: 3; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.selection = Selection()
        self._logs: dict[str | None, LogPanel] = {}
        """By name of each job that was shown: its logs, which go on."""
        self._found_in: Panel | None = None
        """The panel that the cursor was in last."""
        self._followed = NOTHING.place
        """The row that the other panels follow."""
        self._details_soon: Timer | None = None
        self._division = Division(self)
        self._divided: Size | None = None
        """The size that the room was divided for."""
        self._is_new = True

    def compose(self) -> ComposeResult:
        low = self.app.size.height < LOW
        # what is mounted finds its styles with them; with Textual's first resize all would again
        self.update_classes({"-low": low, "-high": not low}, update=False)
        service = self.app.service
        seen = self.app.seen
        yield Headline(service.fleet.name, service.job.name if service.job else None, seen)
        yield GuideLine()
        yield ActionLine()
        with Horizontal(id="body"):
            with Vertical(id="main"):
                with Horizontal(id="upper"):
                    yield TopologyPanel(service.fleet, service.job)
                    yield NodesPanel(service.fleet, service.job, seen)
                yield self._log_panel()
                yield ProblemsPanel(service.job, self._last_lines)
            yield DetailPanel(self.app.seen)
        yield FindLine()
        yield TargetFooter()
        yield Static(id="too-small")

    def _log_panel(self) -> LogPanel:
        job = self.app.service.job
        panel = LogPanel([i.name for i in job.instances if i.command] if job else [])
        self._logs[self._job_name] = panel
        return panel

    def _last_lines(self, instance: str, number: int) -> list[str]:
        return self.logs.last_lines(instance, number)

    def take_job(self) -> None:
        """Show the app's job in place of the one that was shown."""
        job = self.app.service.job
        self.query_one(Headline).take_job(job.name if job else None)
        self.query_one(TopologyPanel).take_job(job)
        self.query_one(NodesPanel).take_job(job)
        self.query_one(ProblemsPanel).take_job(job)
        self.selection = Selection()
        self._marked()
        self._divide()
        self._show_logs_of(job.name if job else None)

    @property
    def logs(self) -> LogPanel:
        """Of the job that is shown."""
        return self._logs[self._job_name]

    @property
    def _job_name(self) -> str | None:
        job = self.app.service.job
        return job.name if job else None

    def take_logs(self, job: str | None, events: Sequence[LogEvent]) -> None:
        """Add lines to the logs of a job, which need not be the one that is shown."""
        if job in self._logs:
            self._logs[job].take(events)

    def _show_logs_of(self, job: str | None) -> None:
        """Put the logs of ``job`` where those of another are; lines and filters of both stay."""
        before = next(panel for panel in self._logs.values() if not panel.has_class(_AWAY))
        zoomed, focused = self.maximized is before, before.has_focus_within
        if zoomed:
            self.minimize()
        logs = self._logs.get(job)
        if logs is None:
            logs = self._log_panel()
            self.mount(logs, before=before)
        before.add_class(_AWAY)
        logs.remove_class(_AWAY)
        if self._found_in is before:
            self._found_in = logs
        if zoomed:
            self.call_after_refresh(self.maximize, logs)
        if focused:
            self.call_after_refresh(logs.focus)

    def on_mount(self) -> None:
        self._divide()  # the first frame has all panels
        self.query_one(NodesPanel).query_one(OptionList).focus()
        self.watch(self.app, "snapshot", self._show)
        self.watch(self.app, "job_action", self._show_action)
        self.watch(self.app, "repaired", self._show_problems, init=False)
        self.query_one(NodesPanel).sort(self.app.kept.sort)
        self._division.zoom_as_kept()
        self.watch(self, "maximized", self._zoomed, init=False)

    def action_layout(self, layout: str) -> None:
        """Take one of the layouts, also the next time."""
        self._division.take(layout)
        self._divide()

    @on(ScreenResume)
    def _comes(self, event: ScreenResume) -> None:
        """All was styled when it was mounted."""
        event.refresh_styles, self._is_new = event.refresh_styles and not self._is_new, False

    @on(Resize)
    def _resized(self, event: Resize) -> None:
        if event.size != self._divided:
            self._divide()

    def _divide(self) -> None:
        self._divided = self.app.size
        self._division.divide()
        self._show_details()

    def _zoomed(self, panel: Widget | None) -> None:
        self._division.keep_zoom(panel)
        self._divide()

    @on(NodesPanel.Sorted)
    def _sorted(self, event: NodesPanel.Sorted) -> None:
        self.app.keep(replace(self.app.kept, sort=event.by))

    # the cursor

    @property
    def under_cursor(self) -> UnderCursor:
        """What keys act on: what is marked, else the row of the cursor."""
        self._look_up_row()
        return self.selection.acted_on

    @on(CursorMoved)
    @on(DescendantFocus)
    @on(DescendantBlur)
    @on(OptionList.OptionHighlighted)
    def _cursor_moved(self) -> None:
        self._look_up_row()
        if self.selection.row.place != self._followed:
            self._followed = self.selection.row.place
            self._follow_cursor()
            if self._details_soon is None:  # a key that is held down does not wait for them
                self._details_soon = self.set_timer(DETAILS_S, self._show_details)
        self._name_targets()

    def _look_up_row(self) -> None:
        """A key may come before the message that the cursor moved."""
        if (row := self._row()) is not None:
            self.selection.row = row

    def _show_details(self) -> None:
        self._details_soon = None
        panel = self.query_one(DetailPanel)
        if not panel.has_class("-has-room") and self.maximized is not panel:
            return
        row, lines = self.selection.row, list[str]()
        if len(row.instances) == 1:
            lines = self.logs.last_lines(row.instances[0].name, LINES)
        panel.show(row, self.app.snapshot, lines)

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
        if not row.nodes or (len(row.nodes) > 1 and not row.problems):
            return  # a fold is on no node more than on another
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
        self._look_up_row()
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
        if self._division.outdated:
            self._divide()
        self._show_details()

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
        under, panel = self.under_cursor, self.logs
        if started := [i.name for i in under.started]:
            panel.show(started)
        elif under.name and panel.shown is not None:
            panel.show(None)
        if under.name and not started:
            self.notify(f"Nothing that fleetctl starts runs on {under.name}: these are all logs.")
        self._to_logs(panel)

    def action_all_logs(self) -> None:
        """Show all logs."""
        panel = self.logs
        panel.show(None)
        self._to_logs(panel)

    def show_log(self, instance: str) -> None:
        """Show the log of one instance."""
        panel = self.logs
        panel.show([instance])
        self._to_logs(panel)

    def logs_at(self, at_s: float) -> None:
        """Show what was printed at that time, in seconds since 1970."""
        panel = self.logs
        self._to_logs(panel)
        panel.go_to_time(at_s)

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

    def set_class(self, add: bool, *class_names: str, update: bool = True) -> Self:
        """Of the class by which a panel fills the screen, that panel's style depends, which gets a
        class of its own, and the screen's: all others' are not looked up again."""
        if class_names != ("-maximized-view",):
            return super().set_class(add, *class_names, update=update)
        super().set_class(add, *class_names, update=False)
        self.app.stylesheet.update_nodes([self])
        return self

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
