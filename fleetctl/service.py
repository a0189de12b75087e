"""What both front ends may ask of a fleet, and what they get back.

The command line and the dashboard know this and nothing of how it is done: ``fleetctl.fleet`` does
it over SSH and tmux, the dashboard's tests on simulated machines.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol, Self

from msgspec import Struct

from fleetctl.errors import FleetctlError, LinkError
from fleetctl.health.assess import Checked
from fleetctl.link.protocol import Completed
from fleetctl.logs.events import LogEvent, PastLog, Wanted
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.look import Look, RawAnswer
from fleetctl.model.plan import PlanStep
from fleetctl.model.progress import ActionResult, Progress
from fleetctl.model.questions import Depth
from fleetctl.model.repairs import KeptRecord, Proposal, Repair, StepOutcome
from fleetctl.model.status import FleetStatus, Problem, RepairStep, ServiceStatus
from fleetctl.model.topology import Fleet

Answered = Callable[[str, Look], object]
"""Told of each node's answer as it comes in."""
Report = Callable[[Progress], object]
"""Told in the event loop of every change of an instance."""


class StartRefused(FleetctlError):
    """The network would break the job, so nothing was started.

    :param problems: the reasons.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(
            "nothing was started, because the network would break it",
            hint="To repair it: fleetctl fix. To start all the same: --no-check.",
        )
        self.problems = tuple(problems)


class Snapshot(Struct, frozen=True):
    """The fleet by the newest looks."""

    checked: Checked
    heard_at: Mapping[str, datetime]
    """Node to when it last answered; nodes that never did are missing."""
    complete: bool = True
    """Every node has answered once, or is found lost."""

    @property
    def status(self) -> FleetStatus:
        return self.checked.status


class Watching(Protocol):
    """Every node asked again and again, each on its own clock, while the context is open."""

    async def __aenter__(self) -> Watching: ...

    async def __aexit__(self, *_: object) -> None: ...

    def hurry(self) -> None:
        """Ask every node everything at once, lost ones too."""

    async def news(self, timeout_s: float | None = None) -> bool:
        """Wait until some node has answered, or is found lost, since the last call.

        :returns: whether that came within ``timeout_s``.
        """

    async def urgent(self, timeout_s: float) -> None:
        """Wait until a node is lost or found, answers first, or says by itself that something
        changed, since the last call; not longer than ``timeout_s``."""

    async def all_asked(self) -> None:
        """Wait until every node has answered once, or is found lost."""

    def snapshot(self, chosen: Sequence[Instance] | None = None) -> Snapshot:
        """The fleet by the newest looks; a node that has not answered yet is unknown.

        :param chosen: the instances to show; all of the job's by default.
        """


class Action:
    """A start, stop or restart that was asked for; nothing happens before :meth:`run`.

    :param work: does it; keeps in the mapping that it is given what is known of each instance.
    """

    def __init__(self, work: Callable[[dict[str, ServiceStatus]], Awaitable[ActionResult]]) -> None:
        self._work = work
        self._known: dict[str, ServiceStatus] = {}

    @property
    def known(self) -> Mapping[str, ServiceStatus]:
        """What is known of each instance by now; also after :meth:`run` was cancelled."""
        return self._known

    async def run(self) -> ActionResult:
        """Do it. Cancelling this stops the waiting; what was started runs on.

        :raises UsageError: an env_file cannot be read; then nothing was started.
        :raises StartRefused: the network would break it; then nothing was started or stopped.
        """
        return await self._work(self._known)


class Attached(Struct, frozen=True):
    """A terminal that was lent to an instance's window came back."""

    exit_status: int
    """Of tmux."""
    runs: bool
    """The instance runs on, as far as that is known."""


class Repairs(Protocol):
    """The repair of some nodes: look, apply or undo, look again."""

    checked: Checked | None
    """By the last check."""
    proposal: Proposal
    """By the last :meth:`look`."""
    outcomes: list[StepOutcome]
    """Of everything that was run."""

    async def look(self) -> Proposal:
        """Check the fleet, and plan what would mend it.

        After repairs what they were about gets some seconds to become well.
        """

    async def check(self) -> Checked:
        """Ask every node how it is, quickly, where nothing is to be planned."""

    @property
    def open_problems(self) -> tuple[Problem, ...]:
        """What the last check found on these nodes."""

    @property
    def still_wrong(self) -> bool:
        """Whether anything is left that is an error, or that a repair could have mended."""

    def steps_of(self, repair: Repair) -> tuple[RepairStep, ...]:
        """What would be run for ``repair`` now: nothing is tried twice."""

    def todo(self) -> dict[str, list[Repair]]:
        """Node to the repairs that can be run there, in the order of nodes.yaml."""

    def decline(self, repairs: Sequence[Repair]) -> None:
        """Leave ``repairs`` alone from now on."""

    async def apply(
        self, node: str, repairs: Sequence[Repair], report: Callable[[StepOutcome], object]
    ) -> None:
        """Run the steps of ``repairs`` one after the other; of a repair none after a failed one.

        :param report: is told of every command that was run; :attr:`outcomes` too.
        :raises RepairRefused: the node lets nobody become root.
        :raises LinkError: it cannot be reached.
        """

    async def records(self, node: str) -> tuple[KeptRecord, ...]:
        """What can be undone on ``node``, in the order in which it would be.

        :raises LinkError: it cannot be reached.
        """

    async def undo(
        self, node: str, records: Sequence[KeptRecord], report: Callable[[StepOutcome], object]
    ) -> None:
        """Undo ``records``, which are given newest first. What fails is kept, and the rest goes on.

        :raises RepairRefused: the node lets nobody become root.
        :raises LinkError: it cannot be reached.
        """


class FleetService(Protocol):
    """One fleet and one of its jobs. An async context manager: leaving it cancels what still
    changes a node, waits until that has left nothing half done, and closes the connections."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...

    @property
    def fleet(self) -> Fleet:
        """All of nodes.yaml."""

    @property
    def job(self) -> Job | None:
        """The job that everything here is about; None for a file without jobs."""

    async def observe(self, chosen: Sequence[Instance] | None = None) -> FleetStatus:
        """The fleet's state by one quick answer of each node; :meth:`check` asks more.

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
        """Every node asked again and again.

        :param interval_s: seconds from one question to a node to the next.
        :param depth: ``check``: what only that can tell is asked too, though not each time.
        """

    async def raw_answers(self, node: str) -> tuple[RawAnswer, ...]:
        """What a check asks ``node``, and what it says, word for word.

        :raises LinkError: it cannot be asked.
        """

    def plan(self, chosen: Sequence[Instance]) -> tuple[PlanStep, ...]:
        """What :meth:`start` would do, in which order."""

    def start(self, chosen: Sequence[Instance], report: Report, *, check: bool = True) -> Action:
        """Start ``chosen``, each the moment what it waits for is ready.

        :param check: refuse where the network would break it, and wait for paths.
        """

    def stop(self, chosen: Sequence[Instance], report: Report) -> Action:
        """Stop ``chosen``, dependents first."""

    def restart(self, chosen: Sequence[Instance], report: Report) -> Action:
        """Stop ``chosen``, and start them with what nodes.yaml says now.

        What could not be started again is not stopped, and where something does not stop nothing
        is started.
        """

    async def past_logs(
        self, chosen: Sequence[Instance], wanted: Wanted
    ) -> Mapping[str, PastLog | LinkError]:
        """The lines that the logs of ``chosen`` hold already, by instance name."""

    async def follow_logs(
        self,
        chosen: Sequence[Instance],
        wanted: Wanted,
        took: Callable[[LogEvent], object],
        *,
        tails: bool = False,
    ) -> None:
        """Hand ``took`` the wanted lines of ``chosen``, and go on with what comes, for ever: across
        restarts, rotation and lost connections, every line once.

        :param tails: whether lines that have no end yet come too.
        """

    async def attach(
        self,
        instance: Instance,
        *,
        read_only: bool = False,
        lent: AbstractContextManager[object] | None = None,
    ) -> Attached:
        """Lend this process's terminal to the tmux window of ``instance`` until it is detached.

        :param lent: entered while the terminal is lent.
        :raises LaunchError: it has no window.
        :raises LinkError: its node cannot be reached, or is lost meanwhile.
        """

    async def execute(
        self, nodes: Sequence[str], script: str, timeout_s: float
    ) -> Mapping[str, Completed | LinkError]:
        """Run a POSIX sh script on every one of ``nodes`` at once.

        :param timeout_s: seconds until a node is given up.
        """

    def fix(
        self,
        nodes: Sequence[str],
        *,
        persistent: bool = False,
        answered: Answered | None = None,
    ) -> Repairs:
        """The repair of ``nodes``.

        :param persistent: on macOS also run what lasts over a reboot.
        :param answered: told of each node as it answers a check.
        """
