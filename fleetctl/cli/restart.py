"""``fleetctl restart``: stops, then starts, by nodes.yaml as it is now."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

import click

from fleetctl.cli.action import carry_out
from fleetctl.cli.added_words import with_words_in_each
from fleetctl.cli.after_dashes import AfterDashes, words_after_dashes
from fleetctl.cli.all_jobs import Told, one_after_the_other, refuse_collisions
from fleetctl.cli.context import Context, instances_of_each
from fleetctl.fleet import LiveFleet
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.plan import dependents
from fleetctl.model.status import ALIVE_STATES, ServiceStatus
from fleetctl.service import FleetService


@click.command(cls=AfterDashes, short_help="stop, then start")
@click.argument("targets", nargs=-1, metavar="[TARGET]... [-- WORD...]")
@click.option(
    "--dependents", is_flag=True, help="Also what starts after the TARGETs, directly or not."
)
@click.option("--timeout", type=click.FloatRange(min=0), metavar="S", help="Give up waiting then.")
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON on stdout.")
@click.pass_context
def command(
    ctx: click.Context,
    targets: tuple[str, ...],
    dependents: bool,
    timeout: float | None,
    as_json: bool,
) -> int:
    """Stop and start the job, or only the TARGETs; a changed definition takes effect so.

    What the last start added to a command is added again, unless other WORDs are said, or none
    after --. With --job all, one job is restarted after the other.
    """
    context: Context = ctx.obj
    words = words_after_dashes(ctx)
    return asyncio.run(_restart(context, targets, words, dependents, timeout, as_json))


async def _restart(
    context: Context,
    targets: Sequence[str],
    words: Sequence[str] | None,
    all_of_them: bool,
    timeout_s: float | None,
    as_json: bool,
) -> int:
    async with context.service(several=True) as service:
        services = context.each_job(service)
        chosen_of_each = with_words_in_each(instances_of_each(services, targets), words)
        of_all = context.means_all(service.fleet)
        pairs = list(zip(services, chosen_of_each, strict=True))
        if of_all:
            pairs = [pair for pair in pairs if pair[1]]
            refuse_collisions(pairs)

        async def again(one: LiveFleet, chosen: list[Instance], told: Told | None) -> int:
            after = starting_after(one.job, chosen) if one.job else []
            cut_off = "" if all_of_them else await _cut_off(one, chosen, after)
            if all_of_them:
                chosen = [*chosen, *after]
            begin = partial(one.restart, chosen)
            code = await carry_out(begin, chosen, "stopping", as_json, timeout_s, told=told)
            if cut_off:
                job = f"--job {one.job.name} " if context.job and one.job else ""
                line = f"fleetctl {job}restart --dependents {' '.join(targets)}"
                click.echo(f"{cut_off}; to restart that, too: {line}", err=True)
            return code

        return await one_after_the_other(pairs, again, of_all=of_all, as_json=as_json)


def starting_after(job: Job, chosen: Sequence[Instance]) -> list[Instance]:
    """The instances besides ``chosen`` that start after their services, directly or through
    others."""
    names = {name for i in chosen for name in dependents(job, i.service)}
    return [i for i in job.instances if i.service in names and i not in chosen and i.command]


async def _cut_off(
    service: FleetService, chosen: Sequence[Instance], after: Sequence[Instance]
) -> str:
    """Which of ``after`` have connections to ``chosen``, as a clause; empty: none."""
    if not after:
        return ""
    known = (await service.observe(after)).services
    names = [i.name for i in after if _is_connected(i, chosen, known)]
    many = "they were" if len(names) > 1 else "it was"
    return f"{', '.join(names)}: {many} connected to what was restarted" if names else ""


def _is_connected(
    instance: Instance, chosen: Sequence[Instance], known: Mapping[str, ServiceStatus]
) -> bool:
    status = known.get(instance.name)
    if status is None or status.state not in ALIVE_STATES:
        return False
    ports = {listen.port for i in chosen if i.service in instance.after for listen in i.bindings}
    return any(int(c.to.rpartition(":")[2]) in ports for c in status.connections or ())
