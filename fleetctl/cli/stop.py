"""``fleetctl stop``: stops services and all their processes, dependents first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import click

from fleetctl.cli.action import carry_out
from fleetctl.cli.context import Context, instances


@click.command(short_help="stop services, dependents first; leave nothing of them running")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON on stdout.")
@click.pass_obj
def command(context: Context, targets: tuple[str, ...], as_json: bool) -> int:
    """Stop the job, or only the TARGETs.

    Each gets its stop signal, its grace period, then KILL; it counts as stopped when its processes,
    whatever they forked, and its listening socket are gone. Logs stay on the nodes.
    """
    return asyncio.run(_stop(context, targets, as_json))


async def _stop(context: Context, targets: Sequence[str], as_json: bool) -> int:
    async with context.service() as service:
        chosen = [i for i in instances(service, targets) if i.command is not None]
        return await carry_out(partial(service.stop, chosen), chosen, "stopping", as_json)
