"""The dashboard's app: it owns all state, and the actions of keys."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar, Protocol

from rich.text import Text
from textual import on
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from fleetctl import demo
from fleetctl.errors import FleetctlError
from fleetctl.health.changes import FleetChange, changes
from fleetctl.link.mistakes import told
from fleetctl.model.jobs import Instance
from fleetctl.model.progress import ActionKind, Progress
from fleetctl.model.status import OrphanStatus
from fleetctl.service import Action, FleetService, Watching
from fleetctl.tui.background import in_background
from fleetctl.tui.guide import Guide
from fleetctl.tui.host import Host, Left
from fleetctl.tui.job_action import JobAction, carry_out
from fleetctl.tui.logs.panel import LogPanel
from fleetctl.tui.messages import (
    JobActionEnded,
    JobProgressed,
    LogsArrived,
    SnapshotTaken,
    SourceFailed,
)
from fleetctl.tui.palette import commands
from fleetctl.tui.screens.action import ActionScreen
from fleetctl.tui.screens.check import CheckScreen
from fleetctl.tui.screens.choice import Choice, ChoiceScreen
from fleetctl.tui.screens.dashboard import Dashboard
from fleetctl.tui.screens.events import EventsScreen
from fleetctl.tui.screens.fix import FixScreen
from fleetctl.tui.screens.help import HelpScreen
from fleetctl.tui.screens.node import NodeScreen
from fleetctl.tui.sources import follow_logs, watch_fleet
from fleetctl.tui.targets import ALL, THIS, choices, situation
from fleetctl.tui.widgets.nodes_panel import NodesPanel

INTERVAL_S = 2.0
LOG_LINES = 1000
"""Past lines of each log that are read at first."""
EVENTS_KEPT = 1000
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


class FleetApp(Host):
    """The dashboard of one fleet.

    :param service: is not closed here.
    :param interval_s: seconds between two looks at a node.
    """

    TITLE = "fleetctl"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "leave", "leave", show=False, priority=True),
        Binding("ctrl+c", "leave", "leave", show=False),
    ]

    def __init__(
        self,
        service: FleetService,
        interval_s: float = INTERVAL_S,
        *,
        file: NodesFile | None = None,
    ) -> None:
        super().__init__(service, interval_s)
        self._file = file
        self._watch: Watching | None = None
        self.guide = Guide(self)

    def get_default_screen(self) -> Screen[Any]:
        """The dashboard is the bottom screen."""
        return Dashboard()

    def on_mount(self) -> None:
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        """Begin the work that takes long, after the first drawing."""
        # imported modules stay: collecting them again and again would delay keys
        gc.freeze()
        self.guide.greet()
        self._watch_fleet()
        self._follow()
        self.set_interval(FILE_EVERY_S, self._look_at_file)

    def _fatal_error(self) -> None:
        """A bug ends the dashboard with a sentence; its traceback is in a file."""
        error = sys.exception()
        sentence = f"fleetctl: this is {told(error or RuntimeError())}"
        self._exit_renderables.append(Text(sentence))
        self._close_messages_no_wait()

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
        if self.snapshot:
            if self.snapshot.complete and not message.snapshot.complete:
                return  # a new watch has not asked every node yet
            if message.snapshot.complete and not self.snapshot.complete:
                gc.freeze()  # as in _begin: connections stay, too
            self._tell(changes(self.snapshot.status, message.snapshot.status))
        self.snapshot = message.snapshot

    def _tell(self, new: Iterable[FleetChange]) -> None:
        if events := tuple(new):
            self.events = (*self.events, *events)[-EVENTS_KEPT:]

    @on(LogsArrived)
    def _logs_arrived(self, message: LogsArrived) -> None:
        if self.screen_stack:  # it is empty while the app closes
            self._dashboard.query_one(LogPanel).take(message.events)

    @property
    def _dashboard(self) -> Screen[Any]:
        return self.screen_stack[0]

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

    def _ask_which(self, kind: ActionKind, preselected: str) -> None:
        job = self.service.job
        if job is None:
            self.notify("nodes.yaml has no job; describe one under jobs: in it.")
            return
        if self.job_action and not self.job_action.ended:
            self.push_screen(ActionScreen())
            return
        this = self._dashboard.query_one(NodesPanel).chosen.instance

        def body() -> str:
            status = self.snapshot.status if self.snapshot else None
            return situation(kind, job, this, status, self._is_left_over)

        def answered(answer: str | None) -> None:
            if answer:
                self._act(kind, [this] if this and answer == THIS else list(job.instances), answer)

        title = f"{kind.capitalize()} {job.name}"
        screen = ChoiceScreen(title, body, choices(kind, job, this), preselected)
        self.push_screen(screen, answered)

    def action_start(self) -> None:
        """Start the job, or what the cursor is on."""
        self._ask_which("start", ALL)

    def action_stop(self) -> None:
        """Stop, after asking."""
        self._ask_which("stop", "")

    def action_restart(self) -> None:
        """Restart, after asking."""
        self._ask_which("restart", "")

    def _is_left_over(self, orphan: OrphanStatus) -> bool:
        """Whether no job of nodes.yaml has ``orphan``: other jobs are meant to run on."""
        job = self.service.job
        mine = job is not None and orphan.job == job.name
        return mine or orphan.job not in self.service.fleet.jobs

    def _act(self, kind: ActionKind, chosen: list[Instance], answer: str) -> None:
        if kind == "stop":  # fleetctl does not stop what it does not start
            chosen = [i for i in chosen if i.command is not None]
        number = self.job_action.number + 1 if self.job_action else 1
        names = tuple(i.name for i in chosen)
        self.action_began_s = time.monotonic()
        self.job_action = JobAction(number, kind, names)
        self.push_screen(ActionScreen())

        def report(progress: Progress) -> None:
            self.post_message(JobProgressed(number, progress))

        def ended(error: str) -> None:
            self.post_message(JobActionEnded(number, error))

        async def run() -> None:
            ended(await carry_out(kind, begin[kind]()))

        begin: Mapping[ActionKind, Callable[[], Action]] = {
            "start": lambda: self.service.start(chosen, report),
            "stop": lambda: self.service.stop(
                chosen, report, orphans=self._is_left_over if answer == ALL else None
            ),
            "restart": lambda: self.service.restart(chosen, report),
        }
        in_background(self, run(), title=kind, group="job", failed=ended)

    @on(JobProgressed)
    def _progressed(self, message: JobProgressed) -> None:
        if self.job_action and self.job_action.number == message.number:
            self.job_action = self.job_action.with_progress(message.progress)

    @on(JobActionEnded)
    def _action_ended(self, message: JobActionEnded) -> None:
        if self.job_action and self.job_action.number == message.number:
            self.job_action = action = self.job_action.over(message.error)
            said = FleetChange(datetime.now(UTC), action.outcome, action.summary)
            self._tell([said])
            self.hurry()

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

    def action_check(self) -> None:
        """Ask everything, and show which node reaches which."""
        self.hurry()
        self.push_screen(CheckScreen())

    def action_fix(self) -> None:
        """Show the commands that repair what is wrong."""
        fleet = self.service.fleet
        self.push_screen(FixScreen([n for n, x in fleet.nodes.items() if x.connection != "none"]))

    def action_events(self) -> None:
        """Show what changed since the dashboard was opened."""
        self.push_screen(EventsScreen())

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(HelpScreen())

    # attach

    def action_attach(self) -> None:
        """Attach the terminal to the tmux window of the instance under the cursor."""
        place = self._dashboard.query_one(NodesPanel).chosen
        if place.instance is None or place.instance.command is None:
            self.notify(f"Nothing that fleetctl starts runs on {place.node}.")
            return
        self.attach(place.instance)

    def attach(self, instance: Instance) -> None:
        """Attach the terminal to the tmux window of ``instance``, until the user detaches."""
        title = f"attach {instance.name}"
        in_background(self, self._lend_to(instance), title=title, group="attach", exclusive=True)

    async def _lend_to(self, instance: Instance) -> None:
        left = await self.service.attach(instance, lent=self._lend())
        self.notify(f"Left the window of {instance.name}{'; it runs on' if left.runs else ''}.")

    @contextmanager
    def _lend(self) -> Iterator[None]:
        """While inside, tmux has the terminal, and nothing is drawn."""
        with self.batch_update(), self.suspend():
            yield

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

    def _look_at_file(self) -> None:
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
            self.exit(Left(again=self._file.read()))
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
