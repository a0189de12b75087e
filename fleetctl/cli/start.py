"""``fleetctl start``: starts services in order, each when what it waits for is ready."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import click
import msgspec

from fleetctl.cli.action import carry_out
from fleetctl.cli.added_words import told, with_words
from fleetctl.cli.after_dashes import AfterDashes, words_after_dashes
from fleetctl.cli.code_there import code_compared
from fleetctl.cli.context import Context, instances
from fleetctl.errors import UsageError
from fleetctl.hiding import hidden, hidden_value
from fleetctl.model.jobs import Instance
from fleetctl.model.plan import PlanStep
from fleetctl.service import Action, FleetService, Report


@click.command(cls=AfterDashes, short_help="check, then start services in order")
@click.argument("targets", nargs=-1, metavar="[TARGET]... [-- WORD...]")
@click.option("--dry-run", is_flag=True, help="Print the plan and change nothing.")
@click.option(
    "--no-check", is_flag=True, help="Start whatever the network is like, and wait for no path."
)
@click.option(
    "--again", is_flag=True, help="Also run services once more that run once and are done."
)
@click.option(
    "--detach",
    is_flag=True,
    help="Return once it is handed over; it goes on without this terminal.",
)
@click.option("--hand-over", type=int, hidden=True)
@click.option("--timeout", type=click.FloatRange(min=0), metavar="S", help="Give up waiting then.")
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON on stdout.")
@click.pass_context
def command(
    ctx: click.Context,
    targets: tuple[str, ...],
    dry_run: bool,
    no_check: bool,
    again: bool,
    detach: bool,
    hand_over: int | None,
    timeout: float | None,
    as_json: bool,
) -> int:
    """Start the job, or only the TARGETs.

    First the network is asked: when it would break the job, nothing is started and the problem is
    named. What waits for nothing starts at once and side by side; everything else the moment what
    it waits for is ready. What runs already is left alone. Ctrl-C stops the waiting, not the job.
    WORDs are added to the commands, as in: fleetctl start train -- --resume ckpt.pt
    """
    context: Context = ctx.obj
    words = words_after_dashes(ctx)
    if detach:
        if dry_run:
            raise UsageError("--detach and --dry-run exclude each other")
        return _detach(context, targets, words, no_check, again, timeout, as_json)
    if dry_run:
        return asyncio.run(_plan(context, targets, words, as_json))
    start = _start(context, targets, words, no_check, again, hand_over, timeout, as_json)
    return asyncio.run(start)


def _detach(
    context: Context,
    targets: Sequence[str],
    words: Sequence[str] | None,
    no_check: bool,
    again: bool,
    timeout_s: float | None,
    as_json: bool,
) -> int:
    from fleetctl.cli.apart import detach

    service = context.service()
    _chosen(service, targets, words)  # what is wrong with them is told here
    arguments = [*(["--no-check"] if no_check else []), *(["--again"] if again else [])]
    if timeout_s is not None:
        arguments.append(f"--timeout={timeout_s:g}")
    arguments += [*targets, *(["--", *words] if words is not None else [])]
    return detach(context, service.fleet.name, arguments, as_json)


def _chosen(
    service: FleetService, targets: Sequence[str], words: Sequence[str] | None
) -> list[Instance]:
    """:raises UsageError: there is no job, or no such target or words."""
    chosen = with_words(instances(service, targets), words)
    if note := told(chosen):
        click.echo(f"note: {note}", err=True)
    if service.job is None:
        raise UsageError("nodes.yaml has no job to start", hint="Describe one under jobs: in it.")
    return chosen


async def _plan(
    context: Context, targets: Sequence[str], words: Sequence[str] | None, as_json: bool
) -> int:
    async with context.service() as service:
        return _show_plan(service.plan(_chosen(service, targets, words)), as_json)


async def _start(
    context: Context,
    targets: Sequence[str],
    words: Sequence[str] | None,
    no_check: bool,
    again: bool,
    hand_over: int | None,
    timeout_s: float | None,
    as_json: bool,
) -> int:
    async with context.service() as service:
        chosen = _chosen(service, targets, words)

        def begin(report: Report) -> Action:
            if hand_over is not None:
                from fleetctl.cli.apart import handing_over

                report = handing_over(report, [i.name for i in chosen], hand_over)
            anew = hand_over is not None
            return service.start(chosen, report, check=not no_check, again=again, anew=anew)

        async with code_compared(service, chosen):
            return await carry_out(begin, chosen, "starting", as_json, timeout_s)


def _show_plan(steps: Sequence[PlanStep], as_json: bool) -> int:
    if as_json:
        plan = [
            {
                "instance": s.instance.name,
                "stage": s.stage,
                "after": [need.name for need in s.needs],
                "until": s.instance.until,
                "command": hidden(s.instance.line) if s.instance.line else None,
                "ready": s.instance.ready,
                "env": {
                    name: hidden_value(name, value)
                    for name, value in {**s.instance.provided, **s.instance.env}.items()
                },
            }
            for s in steps
        ]
        click.echo(msgspec.json.format(msgspec.json.encode(plan)))
        return 0
    for step in steps:
        needs = ", ".join(need.name + _until(step.instance, need) for need in step.needs)
        after = f"after {needs}" if needs else "at once"
        click.echo(f"{step.stage + 1}. {step.instance.name}  {after}")
        click.echo(f"     {hidden(step.instance.line or 'started by hand, watched by us')}")
        for name, value in step.instance.provided.items():
            click.echo(f"     {name}={hidden_value(name, value)}")
    return 0


def _until(waiting: Instance, need: Instance) -> str:
    until = waiting.waits_until(need)
    return "" if until == "ready" else f" ({until})"
