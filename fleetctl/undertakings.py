"""What a fleet is asked for that goes on for a while: a watch, a repair, a measurement, a tunnel.

``fleetctl.service`` hands them out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, Self

from msgspec import Struct

from fleetctl.model.bench import BenchPath, BenchReport, PathResult
from fleetctl.model.jobs import Instance
from fleetctl.model.pages import Page
from fleetctl.model.repairs import KeptRecord, Proposal, Repair, StepOutcome
from fleetctl.model.status import FleetStatus, Problem, RepairStep
from fleetctl.model.topology import OS

if TYPE_CHECKING:
    from fleetctl.health.assess import Checked  # slow to import


class Snapshot(Struct, frozen=True):
    """The fleet by the newest looks."""

    checked: Checked
    heard_at: Mapping[str, datetime]
    """By node: when it last answered; nodes that never did are missing."""
    complete: bool = True
    """Whether every node has answered, or is found lost, since this machine is awake."""
    waking: bool = False
    """Whether this machine slept, and not every node has answered since."""
    as_of: datetime | None = None
    """The time of the oldest look, where a `fleetctl serve` tells it; None: these are own looks."""

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
