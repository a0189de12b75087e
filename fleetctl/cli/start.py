"""``fleetctl start``: starts services in order, each when what it waits for is ready."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import click
import msgspec

from fleetctl.cli.action import carry_out, show_json
from fleetctl.cli.added_words import with_words_in_each
from fleetctl.cli.after_dashes import AfterDashes, words_after_dashes
from fleetctl.cli.all_jobs import Told, one_after_the_other, refuse_collisions
from fleetctl.cli.code_there import code_compared
from fleetctl.cli.context import Context, instances_of_each
from fleetctl.cli.making_room import make_room
from fleetctl.errors import UsageError
from fleetctl.fleet import LiveFleet
from fleetctl.hiding import hidden, hidden_value
from fleetctl.model.jobs import Instance
from fleetctl.model.plan import PlanStep
from fleetctl.port_holders import PortsTaken
from fleetctl.service import Action, Report
from fleetctl.words.plan import plan_lines


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
@click.option(
    "--stop-others",
    "--yes",
    "stop_others",
    is_flag=True,
    help="First stop other jobs of the fleet that have its ports, without asking.",
)
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
    stop_others: bool,
    timeout: float | None,
    as_json: bool,
) -> int:
    """Start the job, or only the TARGETs.

    First the network is asked: when it would break the job, nothing is started and the problem is
    named. What waits for nothing starts at once and side by side; everything else the moment what
    it waits for is ready. What runs already is left alone. Ctrl-C stops the waiting, not the job.
    Where other jobs of the fleet have its ports, it asks whether these are to be stopped first.
    With --job all, one job is started after the other.
    WORDs are added to the commands, as in: fleetctl start train -- --resume ckpt.pt
    """
    context: Context = ctx.obj
    words = words_after_dashes(ctx)
    how = _How(not no_check, again, stop_others, hand_over, timeout, as_json)
    if detach:
        if dry_run:
            raise UsageError("--detach and --dry-run exclude each other")
        return _detach(context, targets, words, how)
    return asyncio.run(_start(context, targets, words, dry_run, how))


class _How(msgspec.Struct, frozen=True):
    check: bool
    again: bool
    stop_others: bool
    hand_over: int | None
    """A file descriptor, at which another process waits until this one needs it no more."""
    timeout_s: float | None
    as_json: bool


def _detach(
    context: Context, targets: Sequence[str], words: Sequence[str] | None, how: _How
) -> int:
    from fleetctl.cli.apart import detach

    service = context.service(several=True)
    if context.means_all(service.fleet):
        raise UsageError("--detach starts one job; name it by --job")
    _chosen(context, service, targets, words)  # what is wrong with them is told here
    chosen = {"--no-check": not how.check, "--again": how.again, "--stop-others": how.stop_others}
    arguments = [option for option, given in chosen.items() if given]
    if how.timeout_s is not None:
        arguments.append(f"--timeout={how.timeout_s:g}")
    arguments += [*targets, *(["--", *words] if words is not None else [])]
    return detach(context, service.fleet.name, arguments, how.as_json)


def _chosen(
    context: Context, service: LiveFleet, targets: Sequence[str], words: Sequence[str] | None
) -> list[tuple[LiveFleet, list[Instance]]]:
    """What is meant, by job.

    :raises UsageError: there is no job, or no such target or words.
    """
    if service.job is None:
        raise UsageError("nodes.yaml has no job to start", hint="Describe one under jobs: in it.")
    services = context.each_job(service)
    chosen = with_words_in_each(instances_of_each(services, targets), words)
    return list(zip(services, chosen, strict=True))


async def _start(
    context: Context,
    targets: Sequence[str],
    words: Sequence[str] | None,
    dry_run: bool,
    how: _How,
) -> int:
    async with context.service(several=True) as service:
        pairs = _chosen(context, service, targets, words)
        of_all = context.means_all(service.fleet)
        if of_all:
            refuse_collisions(pairs)
        pairs = [pair for pair in pairs if pair[1] or not of_all]
        if dry_run:
            return _show_plans(pairs, of_all, how.as_json)

        async def begin(one: LiveFleet, which: list[Instance], told: Told | None) -> int:
            return await _start_one(one, which, how, told)

        return await one_after_the_other(pairs, begin, of_all=of_all, as_json=how.as_json)


async def _start_one(
    service: LiveFleet, chosen: list[Instance], how: _How, told: Told | None
) -> int:
    def begin(report: Report) -> Action:
        if how.hand_over is not None:
            from fleetctl.cli.apart import handing_over

            report = handing_over(report, [i.name for i in chosen], how.hand_over)
        anew = how.hand_over is not None
        return service.start(chosen, report, check=how.check, again=how.again, anew=anew)

    async def room(taken: PortsTaken) -> bool:
        return await make_room(service, taken, how.stop_others)

    async with code_compared(service, chosen):
        return await carry_out(
            begin, chosen, "starting", how.as_json, how.timeout_s, make_room=room, told=told
        )


def _show_plans(
    pairs: Sequence[tuple[LiveFleet, list[Instance]]], of_all: bool, as_json: bool
) -> int:
    plans = {one.job.name: one.plan(chosen) for one, chosen in pairs if one.job}
    if of_all and as_json:
        show_json({name: _as_json(steps) for name, steps in plans.items()})
        return 0
    for name, steps in plans.items():
        if of_all:
            click.echo(f"job {name}:")
        _show_plan(steps, as_json)
    return 0


def _as_json(steps: Sequence[PlanStep]) -> list[dict[str, object]]:
    return [
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


def _show_plan(steps: Sequence[PlanStep], as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(_as_json(steps))))
        return
    for line in plan_lines(steps):
        click.echo(line)
