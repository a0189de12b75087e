"""Stops what has the ports of a job that is to be started, if the user says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click
from msgspec.structs import replace

from fleetctl.cli.asking import agreed, can_ask
from fleetctl.cli.progress import ProgressLines
from fleetctl.cli.render import problem_lines
from fleetctl.model.jobs import Job
from fleetctl.model.progress import ActionResult, Progress
from fleetctl.model.status import OrphanStatus
from fleetctl.service import Action, FleetService, PortsTaken, Report


async def make_room(service: FleetService, taken: PortsTaken, stop_others: bool) -> bool:
    """Stop what has the ports: other jobs of nodes.yaml as a whole, since they would be broken
    without it, and what is left over of others.

    :param stop_others: without asking. Else the user is asked, where there is a terminal.
    :returns: whether all of it is stopped.
    """
    jobs = service.fleet.jobs
    others = tuple(dict.fromkeys(h.job for h in taken.holders if h.member))
    left = {(h.job, h.instance) for h in taken.holders if not h.member}
    if not stop_others and not can_ask():
        return False
    click.echo("\n".join(problem_lines(taken.problems, err=True)), err=True)
    if not stop_others:
        what = ", ".join([*(f"job {name}" for name in others), *(f"{n} of {j}" for j, n in left)])
        if not await agreed(f"Stop {what} first?"):
            return False
    done = [await _stop_job(service.with_job(jobs[name]), jobs[name]) for name in others]
    if left:

        def wanted(orphan: OrphanStatus) -> bool:
            return (orphan.job, orphan.name) in left

        names = [f"{job}/{instance}" for job, instance in left]
        done.append(await _stop(names, lambda report: service.stop((), report, orphans=wanted)))
    return all(done)


async def _stop_job(service: FleetService, job: Job) -> bool:
    chosen = [i for i in job.instances if i.command is not None]

    def begin(report: Report) -> Action:
        def labelled(progress: Progress) -> None:
            report(replace(progress, instance=f"{job.name}/{progress.instance}"))

        return service.stop(chosen, labelled)

    return await _stop([f"{job.name}/{i.name}" for i in chosen], begin)


async def _stop(names: Sequence[str], begin: Callable[[Report], Action]) -> bool:
    lines = ProgressLines(names, "stopping")
    async with lines.live():
        result: ActionResult = await begin(lines.report).run()
    for name in result.bad:
        status = result.services[name]
        why = f": {status.reason}" if status.reason else ""
        click.echo(f"{name} is {status.state}{why}", err=True)
    return not result.bad
