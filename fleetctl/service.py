"""The interface of a fleet, which the command line and the dashboard use.

``fleetctl.fleet`` implements it over SSH and tmux, the dashboard's tests with simulated machines.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, Self

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.errors import FleetctlError, LinkError
from fleetctl.logs.events import LogEvent, PastLog, Wanted
from fleetctl.model.actions import Told
from fleetctl.model.bench import BenchPath, BenchReport, PathResult
from fleetctl.model.delivery import Delivery
from fleetctl.model.execution import ExecutionEvent
from fleetctl.model.jobs import Instance, Job, LogSource
from fleetctl.model.look import Look, RawAnswer
from fleetctl.model.pages import Page
from fleetctl.model.plan import PlanStep
from fleetctl.model.progress import ActionResult, Progress
from fleetctl.model.questions import Depth
from fleetctl.model.repairs import KeptRecord, Proposal, Repair, StepOutcome
from fleetctl.model.status import FleetStatus, OrphanStatus, Problem, RepairStep, ServiceStatus
from fleetctl.model.sudo import SudoPassword
from fleetctl.model.syncing import NodeSync
from fleetctl.model.topology import OS, Fleet

if TYPE_CHECKING:
    from fleetctl.health.assess import Checked  # slow to import

Answered = Callable[[str, Look], object]
"""Called with each node's answer as it comes in."""
BENCH_S = 3
"""Seconds that a transfer of a measurement takes."""
Read = Callable[[], Awaitable[bytes]]
"""The next bytes of something; empty at its end."""
WantedOrphans = Callable[[OrphanStatus], bool]
Report = Callable[[Progress], object]
"""Called in the event loop for every change of an instance."""


class StartRefused(FleetctlError):
    """The network would break the job, or nodes lack what one to be restarted requires, so nothing
    was started.

    :param problems: the reasons.
    """

    def __init__(self, problems: Sequence[Problem], why: str = "", hint: str = "") -> None:
        from fleetctl.health.kinds.machine import REQUIREMENT_MISSING  # slow to import

        lacks = all(problem.code == REQUIREMENT_MISSING.code for problem in problems)
        known = "nodes lack what the job requires" if lacks else "the network would break it"
        super().__init__(
            f"nothing was started, because {why or known}",
            hint=hint or "To repair it: fleetctl fix. To start all the same: --no-check.",
        )
        self.problems = tuple(problems)


class Holder(Struct, frozen=True):
    """An instance of the fleet that has a port which another one needs."""

    job: str
    instance: str
    member: bool
    """Whether its job in nodes.yaml has it; else it is left over."""


class PortsTaken(StartRefused):
    """Other instances of the fleet have ports of what is to be started, so nothing was started.

    :param job: the job that is to be started.
    :param holders: what has the ports.
    """

    def __init__(self, job: str, problems: Sequence[Problem], holders: Sequence[Holder]) -> None:
        hint = f"To stop what has them first: fleetctl --job {job} start --stop-others."
        super().__init__(problems, "ports that it needs are taken", hint)
        self.holders = tuple(holders)

    @property
    def others(self) -> tuple[str, ...]:
        """The other jobs of nodes.yaml that have ports."""
        return tuple(dict.fromkeys(h.job for h in self.holders if h.member))

    @property
    def told(self) -> str:
        """What is stopped to make room: "job train", "old@mini1 of job test"."""
        left = [f"{h.instance} of job {h.job}" for h in self.holders if not h.member]
        return ", ".join([*(f"job {name}" for name in self.others), *left])

    def stops(self, service: FleetService, report: Report) -> tuple[Action, ...]:
        """What makes room: other jobs of nodes.yaml are stopped as a whole, since they would be
        broken without what has the port; of what is left over only that is.

        Instances are called ``JOB/SERVICE@NODE`` in progress and results.
        """
        left = {(h.job, h.instance) for h in self.holders if not h.member}

        def wanted(orphan: OrphanStatus) -> bool:
            return (orphan.job, orphan.name) in left

        jobs = service.fleet.jobs
        found = [
            _stop_whole(service.with_job(jobs[name]), jobs[name], report) for name in self.others
        ]
        return (*found, *([service.stop((), report, orphans=wanted)] if left else []))


class Snapshot(Struct, frozen=True):
    """The fleet by the newest looks."""

    checked: Checked
    heard_at: Mapping[str, datetime]
    """By node: when it last answered; nodes that never did are missing."""
    complete: bool = True
    """Whether every node has answered once, or is found lost."""

    @property
    def status(self) -> FleetStatus:
        return self.checked.status


class Watching(Protocol):
    """Polls every node, independently of the others, while the context is open."""

    async def __aenter__(self) -> Watching: ...

    async def __aexit__(self, *_: object) -> None: ...

    def hurry(self) -> None:
        """Ask every node everything now, lost ones too."""

    async def news(self, timeout_s: float | None = None) -> bool:
        """Wait until, since the last call, a node has answered or is found lost.

        :returns: false after ``timeout_s``.
        """

    async def urgent(self, timeout_s: float) -> None:
        """Wait until, since the last call, a node is lost or back, answers for the first time or
        reports a change; not longer than ``timeout_s``."""

    async def all_asked(self) -> None:
        """Wait until every node has answered once, or is found lost."""

    def snapshot(self, chosen: Sequence[Instance] | None = None) -> Snapshot:
        """The fleet by the newest looks; nodes that have not answered yet are unknown.

        :param chosen: the instances to show; all of the job's by default.
        """


class Action:
    """A start, stop or restart; nothing happens before :meth:`run`.

    :param work: does it, and keeps the newest status of each instance in the given mapping.
    :param key: see there.
    """

    def __init__(
        self,
        work: Callable[[dict[str, ServiceStatus]], Awaitable[ActionResult]],
        key: str = "",
    ) -> None:
        self.key = key
        """Of its event, as nodes have it noted; empty: it is not noted."""
        self._work = work
        self._known: dict[str, ServiceStatus] = {}

    @property
    def known(self) -> Mapping[str, ServiceStatus]:
        """The newest status of each instance; also after :meth:`run` was cancelled."""
        return self._known

    async def run(self) -> ActionResult:
        """Do it. Cancelling this ends only the waiting: started instances run on.

        :raises UsageError: an env_file cannot be read; nothing was started.
        :raises StartRefused: the network would break it, or (:class:`PortsTaken`) the fleet runs
            what has its ports; nothing was started or stopped.
        """
        return await self._work(self._known)


def _stop_whole(service: FleetService, job: Job, report: Report) -> Action:
    """A stop of ``job``, with its name before those of its instances."""

    def labelled(progress: Progress) -> None:
        report(replace(progress, instance=f"{job.name}/{progress.instance}"))

    async def work(known: dict[str, ServiceStatus]) -> ActionResult:
        chosen = [i for i in job.instances if i.command is not None]
        result = await service.stop(chosen, labelled).run()
        known.update({f"{job.name}/{name}": status for name, status in result.services.items()})
        return ActionResult("stop", known)

    return Action(work)


class Attached(Struct, frozen=True):
    """How attaching the terminal to an instance's window ended."""

    exit_status: int
    """Of tmux."""
    runs: bool
    """Whether the instance still runs, as far as that is known."""


class Repairs(Protocol):
    """The repair of some nodes: look, apply or undo, look again."""

    checked: Checked | None
    """The result of the last check."""
    proposal: Proposal
    """The result of the last :meth:`look`."""
    outcomes: list[StepOutcome]
    """Of all commands that were run."""

    async def look(self) -> Proposal:
        """Check the fleet, and plan its repair.

        If repaired problems are still there, checks again for some seconds.
        """

    async def check(self) -> Checked:
        """Ask every node quickly, without planning a repair."""

    @property
    def ways(self) -> Mapping[str, str]:
        """By node: the one through which the last check reached it, since the direct way is
        silent."""

    @property
    def open_problems(self) -> tuple[Problem, ...]:
        """What the last check found on these nodes."""

    @property
    def still_wrong(self) -> bool:
        """Whether an error is left, or anything that a repair could fix."""

    @property
    def more_with_persistent(self) -> bool:
        """Whether a Mac has steps that would only be run with ``persistent``."""

    def steps_of(self, repair: Repair) -> tuple[RepairStep, ...]:
        """The steps of ``repair`` that would be run now, without those that were run before."""

    def todo(self) -> dict[str, list[Repair]]:
        """By node: the repairs that can be run there; first on nodes that others are reached
        through."""

    def decline(self, repairs: Sequence[Repair]) -> None:
        """Do not offer ``repairs`` again."""

    async def apply(
        self, node: str, repairs: Sequence[Repair], report: Callable[[StepOutcome], object]
    ) -> None:
        """Run the steps of ``repairs`` one after the other; a failed step ends its repair.

        :param report: called with the outcome of every command; :attr:`outcomes` keeps them too.
        :raises RepairRefused: commands cannot be run as root there.
        :raises LinkError: it cannot be reached.
        """

    async def records(self, node: str) -> tuple[KeptRecord, ...]:
        """What can be undone on ``node``, newest first.

        :raises LinkError: it cannot be reached.
        """

    async def undo(
        self, node: str, records: Sequence[KeptRecord], report: Callable[[StepOutcome], object]
    ) -> None:
        """Undo ``records``, which are given newest first. A failed one is kept, and the next tried.

        :raises RepairRefused: commands cannot be run as root there.
        :raises LinkError: it cannot be reached.
        """


class Benching(Protocol):
    """A measurement of links: first :meth:`look`, then :meth:`measure`."""

    paths: tuple[BenchPath, ...]
    """What is measured; known after :meth:`look`."""
    results: list[PathResult]
    """What came so far."""
    without_iperf: dict[str, str]
    """By node, why it cannot send or receive a transfer."""

    async def look(self, *, anyway: bool = False) -> None:
        """Check the fleet, and find out what its ports are and which nodes have iperf3.

        :param anyway: measure beside a running job.
        :raises FleetctlError: instances of the fleet run on the nodes, or that is not known.
        """

    async def ask_nodes(self) -> None:
        """Ask again which nodes have iperf3."""

    def system_of(self, node: str) -> OS | None:
        """What a node that answered runs."""

    async def measure(self, took: Callable[[PathResult], object]) -> None:
        """Measure all paths, one after the other; cancelling this keeps what is measured.

        :param took: called with each path's result as soon as it is there.
        """

    @property
    def report(self) -> BenchReport:
        """What is measured so far."""


class Tunnel(Protocol):
    """A port on 127.0.0.1 here that leads to a web page on a node, while the context is open: each
    connection to it goes through the SSH connection that there is then, which is opened again after
    a loss."""

    page: Page

    async def __aenter__(self) -> Self:
        """
        :raises UsageError: the port that is wanted here is not free.
        """

    async def __aexit__(self, *_: object) -> None: ...

    @property
    def url(self) -> str:
        """Of the page, for a browser here."""

    async def look(self) -> str:
        """Why the page cannot be reached now, as a sentence; empty: a connection was made."""


class FleetService(Protocol):
    """One fleet and one of its jobs. An async context manager: leaving it cancels tasks that still
    change a node, waits until they have ended cleanly, and closes the connections."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...

    @property
    def fleet(self) -> Fleet:
        """All of nodes.yaml."""

    @property
    def job(self) -> Job | None:
        """The job that all methods are about; None: nodes.yaml has no jobs."""

    def with_job(self, job: Job) -> FleetService:
        """The same fleet with another of its jobs, over the same connections; it is closed with
        this one."""

    async def observe(self, chosen: Sequence[Instance] | None = None) -> FleetStatus:
        """The fleet's status, from one quick answer of each node; :meth:`check` asks more.

        :param chosen: the instances to show; all of the job's by default.
        """

    async def check(
        self,
        chosen: Sequence[Instance] | None = None,
        answered: Answered | None = None,
        *,
        depth: Depth = "check",
    ) -> Checked:
        """Ask every node at once, one connection and one round trip each.

        A node that cannot be asked is data in the result, and delays no other.

        :param chosen: the instances to show; all of the job's by default.
        :param depth: how much is asked.
        """

    def watch(self, interval_s: float, depth: Depth = "check") -> Watching:
        """Poll every node.

        :param interval_s: seconds from one question to a node to the next.
        :param depth: with ``check``, the slower questions are asked too, but less often.
        """

    async def raw_answers(self, node: str) -> tuple[RawAnswer, ...]:
        """What ``check`` asks ``node``, and the literal answers.

        :raises LinkError: it cannot be asked.
        """

    def plan(self, chosen: Sequence[Instance]) -> tuple[PlanStep, ...]:
        """What :meth:`start` would do, in which order."""

    def start(
        self,
        chosen: Sequence[Instance],
        report: Report,
        *,
        check: bool = True,
        again: bool = False,
        anew: bool = False,
    ) -> Action:
        """Start ``chosen``, each as soon as those that it waits for are ready.

        :param check: refuse if the network would break them, and wait for paths.
        :param again: start also those that run once, and are done.
        :param anew: forget how they ended before as soon as their nodes have answered, and not only
            when their turn has come.
        """

    def stop(
        self, chosen: Sequence[Instance], report: Report, *, orphans: WantedOrphans | None = None
    ) -> Action:
        """Stop ``chosen``, dependents first.

        :param orphans: says of each orphan that is found whether it is stopped, too. An orphan of
            another job is called ``JOB/SERVICE@NODE`` in progress and results.
        """

    def restart(self, chosen: Sequence[Instance], report: Report) -> Action:
        """Stop ``chosen``, and start them as nodes.yaml says now.

        If they could not be started again, nothing is stopped; if one does not stop, nothing is
        started.
        """

    async def signal(
        self, chosen: Sequence[Instance], signal: str, *, whole: bool = False
    ) -> Mapping[str, Delivery]:
        """Send a signal to the processes that the commands of ``chosen`` run as, side by side.

        :param signal: without the SIG prefix.
        :param whole: to all processes of each.
        :returns: by instance, what became of it.
        """

    async def send(self, chosen: Sequence[Instance], text: bytes) -> Mapping[str, Delivery]:
        """Type ``text``, in which newlines are Enter, into the windows of ``chosen``, side by side.

        :returns: by instance, what became of it.
        """

    async def past_logs(
        self, chosen: Sequence[LogSource], wanted: Wanted
    ) -> Mapping[str, PastLog | LinkError]:
        """The lines that are already in the logs of ``chosen``, by name."""

    async def follow_logs(
        self,
        chosen: Sequence[LogSource],
        wanted: Wanted,
        took: Callable[[LogEvent], object],
        *,
        tails: bool = False,
    ) -> None:
        """Call ``took`` with the wanted lines of ``chosen``, present and future ones, until
        cancelled: every line once, across restarts, rotation and lost connections.

        :param tails: whether unfinished lines are included.
        """

    async def attach(
        self,
        instance: Instance,
        *,
        read_only: bool = False,
        lent: AbstractContextManager[object] | None = None,
    ) -> Attached:
        """Attach this process's terminal to the tmux window of ``instance`` until it is detached.

        :param lent: a context for the time in which tmux uses the terminal.
        :raises LaunchError: it has no window.
        :raises LinkError: its node cannot be reached, or is lost meanwhile.
        """

    def tunnel(self, page: Page, port: int | None = None) -> Tunnel:
        """A tunnel to ``page``.

        :param port: of this machine; None: that of the page if it is free, else another.
        """

    async def execute(
        self,
        nodes: Sequence[str],
        script: str,
        timeout_s: float,
        took: Callable[[ExecutionEvent], object],
        read: Read | None = None,
    ) -> None:
        """Run a POSIX sh script on all ``nodes`` at once; cancelling this ends it there.

        :param timeout_s: timeout of each node, in seconds.
        :param took: called in the event loop with output as it comes, and then how it ended.
        :param read: what the script reads, the same on each node and at the pace of the slowest;
            None: nothing.
        """

    async def sync(
        self,
        nodes: Sequence[str],
        took: Callable[[NodeSync], object],
        *,
        dry_run: bool = False,
        force: bool = False,
    ) -> None:
        """Copy the job's code to all ``nodes`` at once, as its ``sync`` says.

        :param took: called in the event loop with what became of each node, as it ends.
        :param dry_run: change nothing.
        :param force: overwrite and delete what was changed on a node, too.
        :raises UsageError: the job has no ``sync``, or its folder cannot be read.
        """

    async def actions(self, sizes: Mapping[str, str] | None = None) -> Mapping[str, Told]:
        """What controllers noted on the nodes that they acted on.

        :param sizes: by node: what stood for all of it in the last answer; where it is the same,
            nothing is read.
        :returns: by node; one that cannot be asked says why.
        """

    def fix(
        self,
        nodes: Sequence[str],
        *,
        persistent: bool = False,
        answered: Answered | None = None,
        password: SudoPassword | None = None,
        problems: Sequence[Problem] | None = None,
    ) -> Repairs:
        """The repair of ``nodes``.

        :param persistent: on macOS also run what lasts over a reboot.
        :param password: for a sudo that wants one; None: such a sudo refuses.
        :param answered: called for each node as it answers a check.
        :param problems: only these are repaired; None: all of ``nodes``.
        """

    def bench(
        self,
        nodes: Sequence[str],
        *,
        everything: bool = False,
        seconds: int = BENCH_S,
        answered: Answered | None = None,
    ) -> Benching:
        """The measurement of the paths that begin or end at ``nodes``.

        :param everything: all paths of the data networks, and not only those that the job uses.
        :param seconds: of each transfer.
        :param answered: called for each node as it answers the check before.
        :raises UsageError: there is no such path.
        """
