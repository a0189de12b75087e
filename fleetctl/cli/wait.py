"""``fleetctl wait``: returns once services are ready, healthy, stopped or have exited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Literal, get_args

import click
from msgspec import Struct

from fleetctl.cli.action import show_json
from fleetctl.cli.all_jobs import prefix_of, show_results
from fleetctl.cli.context import Context, instances_of_each
from fleetctl.cli.progress import ProgressLines
from fleetctl.errors import UsageError
from fleetctl.health.services import not_asked_yet, own_processes
from fleetctl.model.awaiting import Aim, Standing, exit_code, standing
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.status import ServiceStatus
from fleetctl.service import FleetService
from fleetctl.undertakings import Snapshot

WAIT_SCHEMA = "fleetctl.wait/1"
INTERVAL_S = 2.0
"""As of ``status --watch``: a node reports in between what changes there."""
TIME_IS_OVER = 124
"""As timeout(1) exits."""
NEVER = 1

Outcome = Literal["so", "timed out", "never", "undecided"]
"""The last one: for another job it can no longer become so, so it was no longer waited for."""


class _Waited(Struct, kw_only=True):
    """What is waited for of one job, and what is known of it."""

    service: FleetService
    job: Job
    chosen: Sequence[Instance]
    prefix: str
    """Of names, where there are several jobs."""
    statuses: dict[str, ServiceStatus]
    standings: dict[str, Standing] = {}
    outcome: Outcome = "timed out"
    waited_s: float = 0.0

    def open(self) -> list[str]:
        return [name for name, found in self.standings.items() if found == "not yet"]


@click.command(short_help="return once services are ready, healthy, stopped or have exited")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option(
    "--for",
    "aim",
    type=click.Choice(get_args(Aim)),
    default="ready",
    show_default=True,
    help="What to wait for.",
)
@click.option("--timeout", type=click.FloatRange(min=0), metavar="S", help="Give up then.")
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON on stdout.")
@click.pass_obj
def command(
    context: Context, targets: tuple[str, ...], aim: Aim, timeout: float | None, as_json: bool
) -> int:
    """Wait until the job, or each of the TARGETs, is what --for says. It changes nothing.

    Exit code 0: it is so; 1: it can no longer become so, because something failed; 124: the time is
    over. With --for exited it is the job's own: the first of its instances' that is not 0. With
    --job all, every job is waited for.
    """
    return asyncio.run(_wait(context, targets, aim, timeout, as_json))


async def _wait(
    context: Context, targets: Sequence[str], aim: Aim, timeout_s: float | None, as_json: bool
) -> int:
    async with context.service(several=True) as service:
        of_all = context.means_all(service.fleet)
        several = _of_each(context.each_job(service), targets, aim, of_all=of_all)
        names = [one.prefix + i.name for one in several for i in one.chosen]
        lines = ProgressLines(names, "waiting for")
        began_s = time.monotonic()
        with suppress(TimeoutError):
            async with lines.live(), asyncio.timeout(timeout_s):
                await _watch_all(several, aim, lines)
        for one in several:
            if one.outcome in ("timed out", "undecided"):
                one.waited_s = time.monotonic() - began_s
        return _tell(several, aim, of_all=of_all, as_json=as_json)


def _of_each(
    services: Sequence[FleetService], targets: Sequence[str], aim: Aim, *, of_all: bool
) -> list[_Waited]:
    """
    :raises UsageError: nothing can be waited for.
    """
    found: list[_Waited] = []
    wrong: UsageError | None = None
    for one, chosen in zip(services, instances_of_each(services, targets), strict=True):
        try:
            meant = awaited(one.job, chosen, aim, every=not targets)
        except UsageError as error:
            wrong = wrong or error
            continue
        assert one.job is not None
        found.append(
            _Waited(
                service=one,
                job=one.job,
                chosen=meant,
                prefix=prefix_of(one, of_all=of_all),
                statuses={i.name: not_asked_yet(i) for i in meant},
            )
        )
    if wrong and not found:
        raise wrong
    return found


async def _watch_all(several: Sequence[_Waited], aim: Aim, lines: ProgressLines) -> None:
    """Watch all jobs side by side until it is clear how it ends."""
    watching = {asyncio.create_task(_watch(one, aim, lines)): one for one in several}
    try:
        pending = set(watching)
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                watching[task].outcome = task.result()
            if aim != "exited" and any(watching[task].outcome == "never" for task in done):
                for task in pending:
                    watching[task].outcome = "undecided"
                return
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)


def awaited(
    job: Job | None, chosen: Sequence[Instance], aim: Aim, *, every: bool
) -> list[Instance]:
    """Those of ``chosen`` that are waited for: of a job with services that run once, these exit.

    :param every: no TARGET was said.
    :raises UsageError: there are none.
    """
    found = list(chosen)
    if aim == "exited":
        found = [i for i in chosen if i.command is not None]
        if every and any(i.once for i in found):
            found = [i for i in found if i.once]
    if found:
        return found
    if chosen:
        raise UsageError("what is started by hand has no exit code", hint="Use --for stopped.")
    if job is None:
        raise UsageError(
            "nodes.yaml has no job to wait for", hint="Describe one under jobs: in it."
        )
    raise UsageError("nothing of the job runs there, so there is nothing to wait for")


async def _watch(found: _Waited, aim: Aim, lines: ProgressLines) -> Outcome:
    """Watch one job until it is clear how it ends; ``found`` has what is known until then."""
    service, job, chosen = found.service, found.job, found.chosen
    began_s = time.monotonic()
    told: dict[str, tuple[str, str | None]] = {}
    async with service.watch(INTERVAL_S, "status") as watched:
        while True:
            snapshot = watched.snapshot()
            known, left = snapshot.status.services, _left(service, chosen, snapshot)
            found.statuses = {i.name: known[i.name] for i in chosen}
            found.standings = {i.name: standing(job, i, known, aim, left) for i in chosen}
            found.waited_s = time.monotonic() - began_s
            for name, status in found.statuses.items():
                now = (status.word, status.reason)
                asked = service.fleet.nodes[status.node].connection == "none" or (
                    not snapshot.status.nodes[status.node].ssh.unasked
                )
                if asked and told.get(name) != now:
                    told[name] = now
                    lines.became(found.prefix + name, *now, found.waited_s)
                settled = found.standings[name] != "not yet"
                (lines.settle if settled else lines.expect)(found.prefix + name)
            never = "never" in found.standings.values()
            if not found.open() or (never and aim != "exited"):
                return "never" if never else "so"
            await watched.urgent(INTERVAL_S)


def _left(service: FleetService, chosen: Sequence[Instance], snapshot: Snapshot) -> set[str]:
    """The chosen instances that have processes."""
    facts, fleet = snapshot.checked.facts, service.fleet.name
    return {i.name for i in chosen if i.node in facts and own_processes(fleet, i, facts[i.node])}


def _tell(several: Sequence[_Waited], aim: Aim, *, of_all: bool, as_json: bool) -> int:
    """Print the outcome; returns the exit code."""
    codes: list[int] = []
    told: dict[str, dict[str, object]] = {}
    for found in several:
        code = {"so": 0, "timed out": TIME_IS_OVER, "never": NEVER, "undecided": NEVER}[
            found.outcome
        ]
        of_job = None
        if aim == "exited" and found.outcome != "timed out":
            ended = [s for name, s in found.statuses.items() if found.standings[name] == "so"]
            of_job = exit_code(ended) if ended else None
            code = of_job or code
        codes.append(code)
        told[found.job.name] = {
            "schema": WAIT_SCHEMA,
            "for": aim,
            "outcome": found.outcome,
            "ok": code == 0,
            "exit_code": of_job,
            "waited_s": round(found.waited_s, 3),
            "services": found.statuses,
        }
        if not as_json:
            _say(found, aim, code)
    if as_json and of_all:
        show_results(told, ok=not any(codes))
    elif as_json:
        show_json(told[several[0].job.name])
    return TIME_IS_OVER if TIME_IS_OVER in codes else next(filter(None, codes), 0)


def _say(found: _Waited, aim: Aim, code: int) -> None:
    """Tell how it ended, on stderr."""
    of_job = f"job {found.job.name}: " if found.prefix else ""
    if found.outcome == "so":
        click.echo(of_job + _so(found.statuses.values(), aim, code), err=True)
        return
    short = [name for name, stands in found.standings.items() if stands != "so"]
    if found.outcome == "timed out":
        click.echo(f"{of_job}gave up after {found.waited_s:.1f} s", err=True)
    for name in short or found.statuses:
        status = found.statuses[name]
        reason = f": {status.reason}" if status.reason else ""
        never = found.standings.get(name) == "never"
        click.echo(
            f"{found.prefix}{name} is {status.state}{reason}"
            f"{f'; it will not be {aim}' if never else ''}",
            err=True,
        )


def _so(statuses: Collection[ServiceStatus], aim: Aim, code: int) -> str:
    """What is true of all of them; what has done its work and ended is not ready."""
    if aim == "exited":
        return f"{len(statuses)} ended, exit code {code}"
    if aim == "stopped":
        return f"{len(statuses)} stopped"
    ended = sum(status.state == "exited" for status in statuses)
    parts = [f"{len(statuses) - ended} {aim}"] if len(statuses) > ended else []
    return ", ".join([*parts, *([f"{ended} ended with exit code 0"] if ended else [])])
