"""``fleetctl status``: a table for people, JSON for programs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import click
import msgspec

from fleetctl.cli.context import Context, instances
from fleetctl.cli.reader import while_read
from fleetctl.cli.render import status_lines
from fleetctl.health.status_schema import status_schema
from fleetctl.model.jobs import Instance
from fleetctl.model.status import FleetStatus
from fleetctl.service import FleetService

CLEAR = "\x1b[H\x1b[2J"


@click.command(short_help="nodes, services and problems at this moment")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, alone on stdout.")
@click.option(
    "--watch",
    is_flag=False,
    flag_value=2.0,
    type=click.FloatRange(min=0.2),
    metavar="[S]",
    help="Again every S seconds (2) until Ctrl-C; with --json a line each time.",
)
@click.option("--schema", is_flag=True, help="Print the JSON Schema of --json and exit.")
@click.pass_obj
def command(
    context: Context, targets: tuple[str, ...], as_json: bool, watch: float | None, schema: bool
) -> int:
    """Show nodes, services and problems.

    One connection and one round trip per node. Exit code 0: nothing is wrong; 1: something is.
    """
    if schema:
        click.echo(msgspec.json.format(msgspec.json.encode(status_schema())))
        return 0
    return asyncio.run(_status(context, targets, as_json, watch))


async def _status(
    context: Context, targets: tuple[str, ...], as_json: bool, watch: float | None
) -> int:
    async with context.service() as service:
        chosen = instances(service, targets) if targets else None
        if watch is None:
            status = await service.observe(chosen)
            _show(status, as_json, again=False)
            return 0 if status.healthy else 1
        # with --watch, wait also for the questions that a single quick look leaves out
        await while_read(_again_and_again(service, chosen, as_json, watch))
        return 0


async def _again_and_again(
    service: FleetService, chosen: Sequence[Instance] | None, as_json: bool, interval_s: float
) -> None:
    async with service.watch(interval_s) as watched:
        await watched.all_asked()
        while True:
            _show(watched.snapshot(chosen).status, as_json, again=True)
            await asyncio.sleep(interval_s)


def _show(status: FleetStatus, as_json: bool, *, again: bool) -> None:
    if as_json:
        encoded = msgspec.json.encode(status)
        click.echo(encoded if again else msgspec.json.format(encoded))
        return
    if again and sys.stdout.isatty():
        click.echo(CLEAR, nl=False)
    click.echo("\n".join(status_lines(status)))
