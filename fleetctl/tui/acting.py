"""Start, stop and restart from the dashboard: the question before, the work, its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from textual.worker import Worker

from fleetctl.errors import FleetctlError
from fleetctl.model.jobs import Instance
from fleetctl.model.progress import ActionKind, ActionResult, Progress
from fleetctl.model.status import ALIVE_STATES, OrphanStatus, ServiceStatus
from fleetctl.port_holders import PortsTaken, stops_to_make_room
from fleetctl.service import Action, Report
from fleetctl.tui.background import in_background
from fleetctl.tui.counting import named
from fleetctl.tui.host import Host
from fleetctl.tui.job_action import JobAction, carry_out
from fleetctl.tui.messages import JobActionEnded, JobProgressed
from fleetctl.tui.screens.action import ActionScreen
from fleetctl.tui.screens.choice import CANCEL, Choice, ChoiceScreen
from fleetctl.tui.targets import ALL, choices, chosen, situation

STOP_BEGUN = "stop"
END_WAIT = "end"


class Acting:
    """The actions of one dashboard; one at a time."""

    def __init__(self, app: Host) -> None:
        self._app = app
        self.key = ""
        """Of the event of the last action; empty: none is noted of it."""
        self._worker: Worker[None] | None = None
        self._ran: frozenset[str] = frozenset()
        """Instances that ran, or of which that was not known, when the action began."""
        self._then_stop: list[Instance] = []
        """What is stopped once the start that is being ended is over."""
        self._room: Callable[[], object] | None = None
        """Asks whether to make room for the start that was refused, once it is over."""

    @property
    def starting(self) -> JobAction | None:
        """The start that goes on, also that of a restart; it can be ended."""
        action = self._app.job_action
        return action if action and action.starting else None

    def ask_which(self, kind: ActionKind, preselected: str) -> None:
        """Ask what to start, stop or restart, and do it."""
        app = self._app
        job, under = app.service.job, app.under_cursor
        if job is None:
            app.notify("nodes.yaml has no job; describe one under jobs: in it.")
            return
        if app.job_action and not app.job_action.ended:
            if kind == "stop" and self.starting:
                self.ask_to_end()
            else:
                app.push_screen(ActionScreen())
            return

        def body() -> str:
            status = app.snapshot.status if app.snapshot else None
            return situation(kind, job, under, status, self._is_left_over)

        def answered(answer: str | None) -> None:
            if answer:
                self.act(kind, chosen(answer, job, under), everything=answer == ALL)

        title = f"{kind.capitalize()} {job.name}"
        screen = ChoiceScreen(title, body, choices(kind, job, under), preselected)
        app.push_screen(screen, answered)

    def _is_left_over(self, orphan: OrphanStatus) -> bool:
        """Whether no job of nodes.yaml has ``orphan``: other jobs are meant to run on."""
        service = self._app.service
        mine = service.job is not None and orphan.job == service.job.name
        return mine or orphan.job not in service.fleet.jobs

    def act(
        self,
        kind: ActionKind,
        which: Sequence[Instance],
        *,
        everything: bool,
        taken: PortsTaken | None = None,
    ) -> None:
        """Begin it, and show how it goes on.

        :param everything: of a stop: also what is left over of the job.
        :param taken: of a start: what has its ports is stopped first.
        """
        app = self._app
        if not app.may(kind):
            return
        if kind == "stop":  # fleetctl does not stop what it does not start
            which = [i for i in which if i.command is not None]
        number = app.job_action.number + 1 if app.job_action else 1
        app.action_began_s = time.monotonic()
        app.job_action = JobAction(number, kind, tuple(i.name for i in which))
        self._ran = self._running() if kind == "start" else frozenset()
        self._then_stop = []
        self._room = None
        self.key = ""
        if not any(isinstance(screen, ActionScreen) for screen in app.screen_stack):
            app.push_screen(ActionScreen())

        def report(progress: Progress) -> None:
            app.post_message(JobProgressed(number, progress))

        def ended(error: str) -> None:
            app.post_message(JobActionEnded(number, error))

        def no_room(refused: PortsTaken) -> None:
            self._room = lambda: self._ask_for_room(which, refused)

        async def run() -> None:
            try:
                action = begin[kind]()
                self.key = action.key
                ended(await carry_out(kind, action, no_room))
            except asyncio.CancelledError:
                app.post_message(JobActionEnded(number, given_up=True))
                raise

        begin: Mapping[ActionKind, Callable[[], Action]] = {
            "start": lambda: self._start(which, report, taken),
            "stop": lambda: app.service.stop(
                which, report, orphans=self._is_left_over if everything else None
            ),
            "restart": lambda: app.service.restart(which, report),
        }
        self._worker = in_background(app, run(), title=kind, group="job", failed=ended)

    def _start(self, which: Sequence[Instance], report: Report, taken: PortsTaken | None) -> Action:
        service = self._app.service
        start = service.start(which, report)
        if taken is None:
            return start

        async def work(_: dict[str, ServiceStatus]) -> ActionResult:
            for stop in stops_to_make_room(taken, service, lambda progress: None):
                if bad := (await stop.run()).bad:
                    raise FleetctlError(f"{', '.join(bad)} did not stop, so nothing was started")
            return await start.run()

        return Action(work, start.key)

    def _ask_for_room(self, which: Sequence[Instance], taken: PortsTaken) -> None:
        body = "\n".join(problem.summary for problem in taken.problems)
        answers = [CANCEL, Choice("stop", f"stop {taken.told}, then start")]
        self._app.push_screen(
            ChoiceScreen("Ports are taken", body, answers),
            lambda yes: self.act("start", which, everything=False, taken=taken) if yes else None,
        )

    def _running(self) -> frozenset[str]:
        snapshot = self._app.snapshot
        if snapshot is None:
            return frozenset(i.name for i in self._instances)
        services = snapshot.status.services.items()
        return frozenset(n for n, s in services if s.state in {*ALIVE_STATES, "unknown"})

    @property
    def _instances(self) -> tuple[Instance, ...]:
        job = self._app.service.job
        return job.instances if job else ()

    # ending a start

    def ask_to_end(self) -> None:
        """Ask how the start that goes on is to end."""
        if self.starting is None or isinstance(self._app.screen, ChoiceScreen):
            return
        names = named([i.name for i in self._begun()], "instance") or "nothing"
        body = f"{self.starting.summary}.\nBegun by it: {names}."
        answers = [
            Choice("", "go on waiting"),
            Choice(END_WAIT, "stop waiting; what was begun runs on"),
        ]
        if self._begun():
            answers.append(Choice(STOP_BEGUN, f"stop what was begun: {names}"))
        screen = ChoiceScreen("A start goes on", body, answers)
        self._app.push_screen(screen, lambda answer: self._end(answer or ""))

    def ask_to_leave(self) -> None:
        """Leave; during a stop or restart ask first. A start is finished by another process."""
        app, action = self._app, self._app.job_action
        if action is None or action.ended or action.kind == "start":
            app.leave()
            return
        body = f"{action.summary}.\nWhat is half stopped or not yet started again stays so."
        choices = [Choice("", "Stay"), Choice("leave", "Leave now")]
        app.push_screen(
            ChoiceScreen(f"A {action.kind} goes on", body, choices),
            lambda answer: app.leave() if answer else None,
        )

    def _begun(self) -> list[Instance]:
        """What this start has started, and did not run before."""
        action = self._app.job_action
        names = action.begun if action else ()
        return [i for i in self._instances if i.name in names and i.name not in self._ran]

    def _end(self, answer: str) -> None:
        if not answer or self.starting is None or self._worker is None:
            return
        self._then_stop = self._begun() if answer == STOP_BEGUN else []
        self._worker.cancel()

    def is_over(self) -> None:
        """The action is over: stop what was to be stopped then."""
        if which := self._then_stop:
            self._then_stop = []
            self.act("stop", which, everything=False)
        if ask := self._room:
            self._room = None
            ask()
