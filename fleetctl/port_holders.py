"""A start that was refused, what has the ports that it needs, and how these become free."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.errors import FleetctlError
from fleetctl.model.jobs import Job
from fleetctl.model.progress import ActionResult, Progress
from fleetctl.model.status import OrphanStatus, Problem, ServiceStatus
from fleetctl.service import Action, FleetService, Report


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


def stops_to_make_room(
    taken: PortsTaken, service: FleetService, report: Report
) -> tuple[Action, ...]:
    """What makes room: other jobs of nodes.yaml are stopped as a whole, since they would be
    broken without what has the port; of what is left over only that is.

    Instances are called ``JOB/SERVICE@NODE`` in progress and results.
    """
    left = {(h.job, h.instance) for h in taken.holders if not h.member}

    def wanted(orphan: OrphanStatus) -> bool:
        return (orphan.job, orphan.name) in left

    jobs = service.fleet.jobs
    found = [_stop_whole(service.with_job(jobs[name]), jobs[name], report) for name in taken.others]
    return (*found, *([service.stop((), report, orphans=wanted)] if left else []))


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
