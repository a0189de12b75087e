"""``fleetctl wait``: returns once services are ready, healthy, stopped or have exited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Literal, get_args

import click
import msgspec
from msgspec import Struct

from fleetctl.cli.context import Context, instances
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

Outcome = Literal["so", "timed out", "never"]


class _Waited(Struct):
    """What is known of the chosen instances."""

    statuses: dict[str, ServiceStatus]
    standings: dict[str, Standing]

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
    over. With --for exited it is the job's own: the first of its instances' that is not 0.
    """
    return asyncio.run(_wait(context, targets, aim, timeout, as_json))


async def _wait(
    context: Context, targets: Sequence[str], aim: Aim, timeout_s: float | None, as_json: bool
) -> int:
    async with context.service() as service:
        chosen = awaited(service.job, instances(service, targets), aim, every=not targets)
        job = service.job
        assert job is not None
        found = _Waited({i.name: not_asked_yet(i) for i in chosen}, {})
        lines = ProgressLines([i.name for i in chosen], "waiting for")
        began_s = time.monotonic()
        outcome: Outcome = "timed out"
        with suppress(TimeoutError):
            async with lines.live(), asyncio.timeout(timeout_s):
                outcome = await _watch(service, job, chosen, aim, found, lines)
        return _tell(found, aim, outcome, time.monotonic() - began_s, as_json)


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


async def _watch(
    service: FleetService,
    job: Job,
    chosen: Sequence[Instance],
    aim: Aim,
    found: _Waited,
    lines: ProgressLines,
) -> Outcome:
    """Watch until it is clear how it ends; ``found`` has what is known until then."""
    began_s = time.monotonic()
    told: dict[str, tuple[str, str | None]] = {}
    async with service.watch(INTERVAL_S, "status") as watched:
        while True:
            snapshot = watched.snapshot()
            known, left = snapshot.status.services, _left(service, chosen, snapshot)
            found.statuses = {i.name: known[i.name] for i in chosen}
            found.standings = {i.name: standing(job, i, known, aim, left) for i in chosen}
            for name, status in found.statuses.items():
                now = (status.word, status.reason)
                asked = service.fleet.nodes[status.node].connection == "none" or (
                    not snapshot.status.nodes[status.node].ssh.unasked
                )
                if asked and told.get(name) != now:
                    told[name] = now
                    lines.became(name, *now, time.monotonic() - began_s)
                (lines.settle if found.standings[name] != "not yet" else lines.expect)(name)
            never = "never" in found.standings.values()
            if not found.open() or (never and aim != "exited"):
                return "never" if never else "so"
            await watched.urgent(INTERVAL_S)


def _left(service: FleetService, chosen: Sequence[Instance], snapshot: Snapshot) -> set[str]:
    """The chosen instances that have processes."""
    facts, fleet = snapshot.checked.facts, service.fleet.name
    return {i.name for i in chosen if i.node in facts and own_processes(fleet, i, facts[i.node])}


def _tell(found: _Waited, aim: Aim, outcome: Outcome, waited_s: float, as_json: bool) -> int:
    """Print the outcome; returns the exit code."""
    code = {"so": 0, "timed out": TIME_IS_OVER, "never": NEVER}[outcome]
    of_job = None
    if aim == "exited" and outcome != "timed out":
        ended = [s for name, s in found.statuses.items() if found.standings[name] == "so"]
        of_job = exit_code(ended) if ended else None
        code = of_job or code
    if as_json:
        said = {
            "schema": WAIT_SCHEMA,
            "for": aim,
            "outcome": outcome,
            "ok": code == 0,
            "exit_code": of_job,
            "waited_s": round(waited_s, 3),
            "services": found.statuses,
        }
        click.echo(msgspec.json.format(msgspec.json.encode(said)))
        return code
    if outcome == "so":
        click.echo(_so(found.statuses.values(), aim, code), err=True)
        return code
    short = [name for name, stands in found.standings.items() if stands != "so"]
    if outcome == "timed out":
        click.echo(f"gave up after {waited_s:.1f} s", err=True)
    for name in short or found.statuses:
        status = found.statuses[name]
        reason = f": {status.reason}" if status.reason else ""
        never = found.standings.get(name) == "never"
        click.echo(
            f"{name} is {status.state}{reason}{f'; it will not be {aim}' if never else ''}",
            err=True,
        )
    return code


def _so(statuses: Collection[ServiceStatus], aim: Aim, code: int) -> str:
    """What is true of all of them; what has done its work and ended is not ready."""
    if aim == "exited":
        return f"{len(statuses)} ended, exit code {code}"
    if aim == "stopped":
        return f"{len(statuses)} stopped"
    ended = sum(status.state == "exited" for status in statuses)
    parts = [f"{len(statuses) - ended} {aim}"] if len(statuses) > ended else []
    return ", ".join([*parts, *([f"{ended} ended with exit code 0"] if ended else [])])
