"""``fleetctl start``: everything in its order, each the moment it can."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import click
import msgspec

from fleetctl.cli.context import Context, instances
from fleetctl.cli.progress import ProgressLines
from fleetctl.cli.render import problem_lines
from fleetctl.errors import UsageError
from fleetctl.fleet import FleetService, StartRefused
from fleetctl.launch.plan import Step
from fleetctl.model.jobs import Instance
from fleetctl.model.status import ALIVE_STATES, ServiceStatus

RESULT_SCHEMA = "fleetctl.result/1"
_SETTLED = frozenset({"ready", "failed", "exited", "unknown"})


@click.command(short_help="check, then start services in order")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("--dry-run", is_flag=True, help="Print the plan and change nothing.")
@click.option(
    "--no-check", is_flag=True, help="Start whatever the network is like, and wait for no path."
)
@click.option("--timeout", type=click.FloatRange(min=0), metavar="S", help="Give up waiting then.")
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON on stdout.")
@click.pass_obj
def command(
    context: Context,
    targets: tuple[str, ...],
    dry_run: bool,
    no_check: bool,
    timeout: float | None,
    as_json: bool,
) -> int:
    """Start the job, or only the TARGETs.

    First the network is asked: when it would break the job, nothing is started and the problem is
    named. What waits for nothing starts at once and side by side; everything else the moment what
    it waits for is ready. What runs already is left alone. Ctrl-C stops the waiting, not the job.
    """
    return asyncio.run(start(context, targets, dry_run, no_check, timeout, as_json))


async def start(
    context: Context,
    targets: Sequence[str],
    dry_run: bool,
    no_check: bool,
    timeout_s: float | None,
    as_json: bool,
) -> int:
    async with context.service() as service:
        chosen = instances(service, targets)
        if service.job is None:
            raise UsageError(
                "nodes.yaml has no job to start", hint="Describe one under jobs: in it."
            )
        if dry_run:
            return _show_plan(service.plan(chosen), as_json)
        return await start_chosen(service, chosen, timeout_s, as_json, check=not no_check)


async def start_chosen(
    service: FleetService,
    chosen: Sequence[Instance],
    timeout_s: float | None,
    as_json: bool,
    *,
    check: bool = True,
) -> int:
    """Start ``chosen``, show how it goes, and say how it went."""
    names = [i.name for i in chosen]
    lines = ProgressLines(names, _SETTLED)
    results: dict[str, ServiceStatus] = {}
    late = False
    try:
        async with lines.live("starting"):
            try:
                async with asyncio.timeout(timeout_s):
                    await service.start(chosen, lines.report, results, check=check)
            except TimeoutError:
                late = True
    except asyncio.CancelledError:
        _say_what_runs(results)
        raise
    except StartRefused as refused:
        return refuse(refused, as_json)
    if late:
        waiting = [n for n in names if results[n].state not in _SETTLED]
        click.echo(f"gave up after {timeout_s:g} s, not ready: {', '.join(waiting)}", err=True)
    for name in names:
        if results[name].changed:
            click.echo(
                f"{name} runs with another definition than nodes.yaml has now; "
                f"to renew it: fleetctl restart {name}",
                err=True,
            )
    return report_outcome("start", results, {"ready", "exited"}, as_json)


def refuse(refused: StartRefused, as_json: bool) -> int:
    """Name what would break the job; the exit code."""
    if as_json:
        outcome = {
            "schema": RESULT_SCHEMA,
            "action": "start",
            "ok": False,
            "services": {},
            "problems": refused.problems,
        }
        click.echo(msgspec.json.format(msgspec.json.encode(outcome)))
    else:
        click.echo("\n".join(problem_lines(refused.problems, err=True)), err=True)
        click.echo(f"fleetctl: {refused}", err=True)
    return refused.exit_code


def report_outcome(
    action: str, results: Mapping[str, ServiceStatus], good: set[str], as_json: bool
) -> int:
    """Print how ``action`` went; the exit code."""
    bad = [name for name, status in results.items() if status.state not in good]
    if as_json:
        outcome = {
            "schema": RESULT_SCHEMA,
            "action": action,
            "ok": not bad,
            "services": results,
        }
        click.echo(msgspec.json.format(msgspec.json.encode(outcome)))
    elif bad:
        click.echo(f"{action}: {len(results) - len(bad)} of {len(results)} done", err=True)
        for name in bad:
            status = results[name]
            reason = f": {status.reason}" if status.reason else ""
            click.echo(f"{name} is {status.state}{reason}", err=True)
    else:
        word = "ready" if action == "start" else "stopped"
        click.echo(f"all {len(results)} {word}", err=True)
    return 1 if bad else 0


def _say_what_runs(results: Mapping[str, ServiceStatus]) -> None:
    running = [name for name, status in results.items() if status.state in ALIVE_STATES]
    what = ", ".join(running) if running else "nothing"
    click.echo(f"stopped waiting; running on: {what}", err=True)


def _show_plan(steps: Sequence[Step], as_json: bool) -> int:
    if as_json:
        plan = [
            {
                "instance": s.instance.name,
                "stage": s.stage,
                "after": [need.name for need in s.needs],
                "command": s.instance.command,
                "ready": s.instance.ready,
            }
            for s in steps
        ]
        click.echo(msgspec.json.format(msgspec.json.encode(plan)))
        return 0
    for step in steps:
        after = f"after {', '.join(need.name for need in step.needs)}" if step.needs else "at once"
        click.echo(f"{step.stage + 1}. {step.instance.name}  {after}")
        click.echo(f"     {step.instance.command or 'started by hand, watched by us'}")
    return 0
