"""The interface of a fleet, which the command line and the dashboard use.

``fleetctl.fleet`` implements it over SSH and tmux, the dashboard's tests with simulated machines.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, Self

from msgspec import Struct

from fleetctl.errors import LinkError
from fleetctl.model.look import Look, RawAnswer
from fleetctl.model.progress import Progress
from fleetctl.model.status import OrphanStatus

if TYPE_CHECKING:
    from fleetctl.health.assess import Checked  # slow to import
    from fleetctl.logs.events import LogEvent, PastLog, Wanted
    from fleetctl.model.actions import Told
    from fleetctl.model.bench import PastBench
    from fleetctl.model.delivery import Delivery
    from fleetctl.model.execution import ExecutionEvent
    from fleetctl.model.jobs import Instance, Job, LogSource
    from fleetctl.model.pages import Page
    from fleetctl.model.past import PastOfNode
    from fleetctl.model.plan import PlanStep
    from fleetctl.model.progress import ActionResult
    from fleetctl.model.questions import Depth
    from fleetctl.model.status import FleetStatus, Problem, ServiceStatus
    from fleetctl.model.sudo import SudoPassword
    from fleetctl.model.syncing import NodeSync
    from fleetctl.model.topology import Fleet
    from fleetctl.undertakings import Benching, Repairs, Tunnel, Watching

Answered = Callable[[str, Look], object]
"""Called with each node's answer as it comes in."""
BENCH_S = 3
"""Seconds that a transfer of a measurement takes."""
Read = Callable[[], Awaitable[bytes]]
"""The next bytes of something; empty at its end."""
WantedOrphans = Callable[[OrphanStatus], bool]
Report = Callable[[Progress], object]
"""Called in the event loop for every change of an instance."""


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


class Attached(Struct, frozen=True):
    """How attaching the terminal to an instance's window ended."""

    exit_status: int
    """Of tmux."""
    runs: bool
    """Whether the instance still runs, as far as that is known."""


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
        *,
        only_asks: bool = False,
    ) -> None:
        """Run a POSIX sh script on all ``nodes`` at once; cancelling this ends it there.

        :param timeout_s: timeout of each node, in seconds.
        :param took: called in the event loop with output as it comes, and then how it ended.
        :param read: what the script reads, the same on each node and at the pace of the slowest;
            None: nothing.
        :param only_asks: the script is our own and changes nothing, so it is not noted on nodes.
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

    async def past(self, since: Mapping[str, datetime]) -> Mapping[str, PastOfNode]:
        """What supervisors noted on nodes of begins and ends, and when these booted.

        :param since: by node: since when.
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

    def past_bench(self) -> Mapping[tuple[str, str, str], PastBench]:
        """What former measurements on this machine say of each path: node, peer, network. It reads
        a file."""

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
