"""The dashboard's app: it owns all state, and the actions of keys."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Protocol

from msgspec.structs import replace
from rich.text import Text
from textual import on
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.screen import Screen
from textual.theme import BUILTIN_THEMES, Theme

from fleetctl import demo
from fleetctl.errors import FleetctlError
from fleetctl.link.mistakes import told
from fleetctl.model.events import Event
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.repairs import StepOutcome
from fleetctl.model.sudo import SudoPassword
from fleetctl.quantities import count
from fleetctl.service import FleetService
from fleetctl.tui import clipboard
from fleetctl.tui.acting import Acting
from fleetctl.tui.background import in_background
from fleetctl.tui.driver import KeyDriver
from fleetctl.tui.guide import Guide
from fleetctl.tui.host import Host, Left
from fleetctl.tui.kept import Kept
from fleetctl.tui.keymap import defaults
from fleetctl.tui.lending import Lending
from fleetctl.tui.logs.panel import LogPanel
from fleetctl.tui.messages import (
    JobActionEnded,
    JobProgressed,
    LogsArrived,
    SnapshotTaken,
    SourceFailed,
)
from fleetctl.tui.palette import MostUsed, commands, with_one_more
from fleetctl.tui.palettes import COLOURS_256, OURS, has_256, visible
from fleetctl.tui.past.stretch import Stretch, Wanted
from fleetctl.tui.preferences import FILE, Preferences, read
from fleetctl.tui.recording import Recording
from fleetctl.tui.screen_text import write_screen
from fleetctl.tui.screens.action import ActionScreen
from fleetctl.tui.screens.bench import BenchScreen
from fleetctl.tui.screens.check import CheckScreen
from fleetctl.tui.screens.choice import Choice, ChoiceScreen
from fleetctl.tui.screens.dashboard import Dashboard
from fleetctl.tui.screens.fix import FixScreen
from fleetctl.tui.screens.help import HelpScreen
from fleetctl.tui.screens.links import LinksScreen
from fleetctl.tui.screens.node import NodeScreen
from fleetctl.tui.screens.timeline import TimelineScreen
from fleetctl.tui.screens.training import TrainingScreen
from fleetctl.tui.screens.undo import UndoScreen
from fleetctl.tui.seen import Seen
from fleetctl.tui.sixteen import SIXTEEN, has_sixteen
from fleetctl.tui.sources import follow_logs, watch_fleet
from fleetctl.tui.switching import Switching
from fleetctl.tui.targets import ALL
from fleetctl.tui.under_cursor import UnderCursor
from fleetctl.tui.web_pages import WebPages
from fleetctl.undertakings import Watching

INTERVAL_S = 2.0
LOG_LINES = 1000
"""Past lines of each log that are read at first."""
FILE_EVERY_S = 3.0
"""How often nodes.yaml is checked for changes, with one stat(2)."""


class NodesFile(Protocol):
    """nodes.yaml, which may change while the dashboard is open."""

    def news(self) -> bool:
        """Whether it changed since the last call, or the last :meth:`read`."""

    def read(self) -> FleetService:
        """The service of the file as it is now.

        :raises FleetctlError: the file is missing or wrong.
        """

    def notes(self) -> Sequence[str]:
        """What the user should know of the file before anything is connected to, each told once."""


def preferences(path: str = FILE) -> Preferences:
    """What stands in tui.toml; see :func:`fleetctl.tui.preferences.read`."""
    themes = {*BUILTIN_THEMES, *(theme.name for theme in (SIXTEEN, *OURS))}
    keys = dict([*defaults(Dashboard.BINDINGS), *defaults(LogPanel.BINDINGS)])
    return read(themes, keys, path)


class FleetApp(Host):
    """The dashboard of one fleet.

    :param service: is not closed here.
    :param interval_s: seconds between two looks at a node.
    :param kept: how it was left the last time; None: it looks the same in every terminal.
    :param write: keeps how it looks now.
    :param keep_events: whether events and samples are kept on this machine.
    :param read_only: nothing is changed on any node.
    :param preferences: what stands in tui.toml.
    :param seen: see :class:`Host`.
    """

    TITLE = "fleetctl"
    ENABLE_COMMAND_PALETTE = True
    COMMANDS = {MostUsed}  # noqa: RUF012 - as in the base
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "leave", "leave", show=False, priority=True),
        Binding("ctrl+c", "interrupt", show=False),
        Binding("ctrl+z", "suspend_process", "back to the shell; fg returns", show=False),
        Binding("D", "write_screen", "screen as text", show=False),
    ]

    def __init__(
        self,
        service: FleetService,
        interval_s: float = INTERVAL_S,
        *,
        file: NodesFile | None = None,
        kept: Kept | None = None,
        write: Callable[[Kept], object] = lambda kept: None,
        keep_events: bool = False,
        read_only: bool = False,
        preferences: Preferences | None = None,
        seen: Seen | None = None,
    ) -> None:
        super().__init__(
            service, interval_s, kept, read_only=read_only, preferences=preferences, seen=seen
        )
        self._file = file
        self._write = write
        self._watch: Watching | None = None
        self.set_keymap(self.preferences.keys)
        for theme in (SIXTEEN, *OURS):
            self.register_theme(theme)
        if kept is not None:
            self._take_theme(self.preferences.theme or kept.theme)
        self.guide = Guide(self)
        self.acting = Acting(self)
        self.lending = Lending(self)
        self.web_pages = WebPages(self)
        self.switching = Switching(self)
        self.recording = Recording(self, keep=keep_events)
        self.set_reactive(Host.repaired, self.seen.repaired)

    def get_driver_class(self) -> type[Driver]:
        """That of the terminal reads keys at once; others, such as a browser's, stay."""
        found = super().get_driver_class()
        return KeyDriver if found is LinuxDriver else found

    def get_default_screen(self) -> Screen[Any]:
        """The dashboard is the bottom screen."""
        return Dashboard()

    def _take_theme(self, name: str) -> None:
        """Take the theme of that name, where the terminal has its colours."""
        known = self.available_themes.get(name)
        if known and (known.ansi or not has_sixteen(self.console)):
            self.theme = name
        elif has_sixteen(self.console):
            self.theme = SIXTEEN.name
        elif has_256(self.console):
            self.theme = COLOURS_256.name

    def get_css_variables(self) -> dict[str, str]:
        return visible(self.current_theme, super().get_css_variables())

    def keep(self, kept: Kept) -> None:
        if kept != self.kept:
            self.kept = kept
            self._write(kept)

    def _theme_chosen(self, theme: Theme) -> None:
        if not self.preferences.theme:
            self.keep(replace(self.kept, theme=theme.name))

    def on_mount(self) -> None:
        self.theme_changed_signal.subscribe(self, self._theme_chosen)
        self.app_resume_signal.subscribe(self, lambda _: self.screen.refresh())  # after Ctrl-z, fg
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        """Begin the work that takes long, after the first drawing."""
        # imported modules stay: collecting them again and again would delay keys
        gc.freeze()
        self.guide.greet()
        self._tell_notes()
        self.recording.begin()
        self._watch_fleet()
        self._follow()
        self.set_interval(FILE_EVERY_S, self._look_at_file)

    def _fatal_error(self) -> None:
        """A bug ends the dashboard with a sentence; its traceback is in a file."""
        error = sys.exception()
        sentence = f"fleetctl: this is {told(error or RuntimeError())}"
        self._exit_renderables.append(Text(sentence))
        self._close_messages_no_wait()

    # jobs

    def action_jobs(self) -> None:
        """Choose the job that is shown."""
        self.switching.ask()

    def switch(self, job: Job) -> None:
        self.service = self.service.with_job(job)
        self.snapshot = None
        self.job_action = None
        self._dashboard.take_job()
        self._watch_fleet()
        self._follow()

    @property
    def _job(self) -> str | None:
        return self.service.job.name if self.service.job else None

    # sources

    def _watch_fleet(self) -> None:
        self._watch = watch = self.service.watch(self.interval_s)
        self._source("fleet", lambda: watch_fleet(watch, self.post_message))

    def _follow(self) -> None:
        self._source("logs", lambda: follow_logs(self.service, LOG_LINES, self.post_message))

    def _source(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a source in the background; it is started again when it fails."""

        def failed(why: str) -> None:
            self.post_message(SourceFailed(name, why))

        in_background(
            self, work(), title=f"watching the {name}", group=name, exclusive=True, failed=failed
        )

    @on(SourceFailed)
    def _source_failed(self, message: SourceFailed) -> None:
        again = {"fleet": self._watch_fleet, "logs": self._follow}[message.source]
        self.notify(
            f"{message.why} It is begun anew in 5 seconds.",
            title=f"Watching the {message.source} broke",
            severity="error",
            timeout=20,
            markup=False,
        )
        self.set_timer(5.0, again)

    @on(SnapshotTaken)
    def _snapshot_taken(self, message: SnapshotTaken) -> None:
        if message.snapshot.status.job != self._job:
            return  # of the job that was shown before
        if self.snapshot:
            if self.snapshot.complete and not message.snapshot.complete:
                return  # a new watch has not asked every node yet
            if message.snapshot.complete and not self.snapshot.complete:
                gc.freeze()  # as in _begin: connections stay, too
        self.recording.take(message.snapshot)
        self.snapshot = message.snapshot

    @on(LogsArrived)
    def _logs_arrived(self, message: LogsArrived) -> None:
        if self.screen_stack and message.job == self._job:  # it is empty while the app closes
            self._dashboard.query_one(LogPanel).take(message.events)

    @property
    def _dashboard(self) -> Dashboard:
        bottom = self.screen_stack[0]
        assert isinstance(bottom, Dashboard)
        return bottom

    @property
    def under_cursor(self) -> UnderCursor:
        return self._dashboard.under_cursor

    def hurry(self) -> None:
        """Ask every node everything at once."""
        if self._watch:
            self._watch.hurry()

    action_hurry = hurry

    def every(self, interval_s: float) -> None:
        """Ask each node every ``interval_s`` seconds from now on."""
        self.interval_s = interval_s
        self._watch_fleet()

    # start, stop, restart

    def action_start(self) -> None:
        """Start the job, or what the cursor is on."""
        self.acting.ask_which("start", ALL)

    def action_stop(self) -> None:
        """Stop, after asking; while a start goes on: end that."""
        self.acting.ask_which("stop", "")

    def action_restart(self) -> None:
        """Restart, after asking."""
        self.acting.ask_which("restart", "")

    def action_interrupt(self) -> None:
        """Ctrl-C: ask how a start is to end; it does not leave."""
        if self.acting.starting:
            self.acting.ask_to_end()
        else:
            self.notify("To leave: q. What was started runs on.")

    @on(JobProgressed)
    def _progressed(self, message: JobProgressed) -> None:
        if self.job_action and self.job_action.number == message.number:
            self.job_action = self.job_action.with_progress(message.progress)

    @on(JobActionEnded)
    def _action_ended(self, message: JobActionEnded) -> None:
        if self.job_action and self.job_action.number == message.number:
            action = self.job_action.over(message.error, given_up=message.given_up)
            self.job_action = action
            key = self.acting.key
            said = Event(datetime.now(UTC), action.outcome, action.summary, "action", key=key)
            self.recording.action_ended(said)
            self.hurry()
            self.acting.is_over()

    def action_open_action(self) -> None:
        """Show the current or last start or stop."""
        if self.job_action:
            self.push_screen(ActionScreen())
        else:
            self.notify("Nothing was started or stopped here yet.")

    # looking closer

    def show_node(self, node: str) -> None:
        """Show all that is known of ``node``."""
        self.push_screen(NodeScreen(node))

    def choose_node(self, node: str) -> None:
        self._dashboard.choose_node(node)

    def action_check(self) -> None:
        """Ask everything, and show which node reaches which."""
        self.hurry()
        self.push_screen(CheckScreen())

    def action_training(self) -> None:
        """Show how far each rank is, and what the loss did."""
        self.push_screen(TrainingScreen())

    def action_links(self) -> None:
        """Show every link and path over time."""
        self.push_screen(LinksScreen())

    def action_bench(self) -> None:
        """Offer to measure what the links carry."""
        self.push_screen(BenchScreen())

    def show_bench(self) -> None:
        self.push_screen(BenchScreen(begin=True))

    async def past(self, since_s: float, until_s: float, wanted: Wanted) -> Stretch:
        return await self.recording.past(since_s, until_s, wanted)

    def show_logs_at(self, at_s: float) -> None:
        self._to_dashboard().logs_at(at_s)

    def show_log(self, instance: str) -> None:
        self._to_dashboard().show_log(instance)

    def _to_dashboard(self) -> Dashboard:
        """Close what lies over it."""
        while len(self.screen_stack) > 1:
            self.pop_screen()
        return self._dashboard

    def action_fix(self) -> None:
        """Show the commands that repair what the cursor is on."""
        self.fix(self.under_cursor)

    def fix(self, under: UnderCursor) -> None:
        if nodes := self._repairable(under, "F shows the repairs of all."):
            self.push_screen(FixScreen(nodes, under.problems or None))

    def action_fix_all(self) -> None:
        """Show the commands that repair all that is wrong."""
        self.push_screen(FixScreen(self._inside))

    def repair_ended(self, outcome: StepOutcome, *, undone: bool) -> None:
        if outcome.state == "done":
            one = outcome.node, outcome.code
            others = tuple(kept for kept in self.repaired if kept != one)
            self.seen.repaired = self.repaired = others if undone else (*others, one)

    def action_undo(self) -> None:
        """Show the commands that undo the repairs of the node under the cursor."""
        if nodes := self._repairable(self.under_cursor, "U shows those of all nodes."):
            self.push_screen(UndoScreen(nodes))

    def action_undo_all(self) -> None:
        """Show the commands that undo all repairs."""
        self.push_screen(UndoScreen(self._inside))

    @property
    def _inside(self) -> list[str]:
        nodes = self.service.fleet.nodes
        return [name for name, node in nodes.items() if node.connection != "none"]

    def _repairable(self, under: UnderCursor, instead: str) -> list[str]:
        """The nodes of ``under`` that can be logged into; says so if there is none."""
        nodes = [name for name in self._inside if name in under.nodes]
        if under.problems:
            return list(under.nodes) or self._inside
        if not under.name:
            self.notify(f"The cursor is on no node and no problem. {instead}")
        elif not nodes:
            self.notify(f"{under.name} cannot be logged into.")
        return nodes

    def action_events(self) -> None:
        """Show what changed, also before the dashboard was opened, as a timeline."""
        self.push_screen(TimelineScreen())

    def action_write_screen(self) -> None:
        """Write what is on the screen into a new file, as plain text."""
        in_background(self, write_screen(self), title="screen", group="screen")

    def copy_to_clipboard(self, text: str) -> None:
        """Copy ``text``, and say by what."""
        self._clipboard = text
        in_background(self, self._copy(text), title="clipboard", group="clipboard", exclusive=True)

    async def _copy(self, text: str) -> None:
        way = await clipboard.copy(text)
        if not way:
            super().copy_to_clipboard(text)
        lines = count(text.count("\n") + 1, "line")
        self.notify(f"{lines} copied by {way or clipboard.OSC_52}", markup=False)

    def action_help(self) -> None:
        """Show the keys."""
        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.screen.active_bindings.values()))

    # attach

    def action_look_at(self) -> None:
        """Show the tmux window of the instance under the cursor; keys are not sent to it."""
        self.lending.ask_which(read_only=True)

    def action_attach(self) -> None:
        """Type into the tmux window of the instance under the cursor."""
        self.lending.ask_which(read_only=False)

    def attach(self, instance: Instance, *, read_only: bool) -> None:
        self.lending.attach(instance, read_only=read_only)

    def count_use(self, command: str) -> None:
        self.keep(replace(self.kept, used=with_one_more(self.kept.used, command)))

    async def ask_password(self) -> SudoPassword:
        return await self.lending.ask_password()

    def action_web_page(self) -> None:
        """Open a web page of the job in the browser."""
        self.web_pages.ask_which()

    # the demo

    def action_tour(self) -> None:
        """Show what can be broken in a demo."""
        self.guide.show_tour()

    def action_mend(self) -> None:
        """Mend what the tour broke last."""
        if self.guide.broken:
            self.guide.mend(self.guide.broken[-1])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer the demo's keys in a demo only."""
        if action == "tour":
            return demo.present()
        if action == "mend":
            return bool(self.guide.broken)
        return True

    # nodes.yaml

    def _tell_notes(self) -> None:
        for note in self._file.notes() if self._file else ():
            self.notify(note, title="note", timeout=20, markup=False)

    def _look_at_file(self) -> None:
        self._tell_notes()
        if self._file and self._file.news():
            self.notify("Ctrl-p, then: Read nodes.yaml again.", title="nodes.yaml was changed")

    def action_reread(self) -> None:
        """Open the dashboard again with nodes.yaml as it is now."""
        if self._file is None:
            return
        if self.job_action and not self.job_action.ended:
            self.notify(f"Not while a {self.job_action.kind} goes on; o shows it.")
            return
        try:
            again = self._file.read()
            job = again.fleet.jobs.get(self._job or "")
            self.seen.keep_nodes(again.fleet.nodes)
            self.exit(Left(again=again.with_job(job) if job else again))
        except FleetctlError as error:
            self.notify(
                str(error),
                title="nodes.yaml is not taken as it is; all goes on as before",
                severity="error",
                timeout=20,
                markup=False,
            )

    # leaving

    def action_leave(self) -> None:
        """Leave; what runs on the nodes goes on. Asks first during a stop or restart."""
        action = self.job_action
        if action is None or action.ended or action.kind == "start":
            self.leave()
            return
        body = f"{action.summary}.\nWhat is half stopped or not yet started again stays so."
        choices = [Choice("", "Stay"), Choice("leave", "Leave now")]
        self.push_screen(
            ChoiceScreen(f"A {action.kind} goes on", body, choices),
            lambda answer: self.leave() if answer else None,
        )

    def leave(self, return_code: int = 0) -> None:
        """Leave at once, without asking."""
        self.exit(Left(self.going_on), return_code)

    @property
    def going_on(self) -> tuple[str, ...]:
        """The instances of a start that is not over; the caller has to finish it."""
        action = self.job_action
        if action is None or action.ended or action.kind != "start":
            return ()
        return action.targets

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The commands of the palette."""
        return commands(self, self.guide)
