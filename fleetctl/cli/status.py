"""``fleetctl status``: a table for people, JSON for programs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack, nullcontext
from datetime import UTC, datetime

import click
import msgspec
from msgspec.structs import replace

from fleetctl.cli.context import Context, instances_of_each
from fleetctl.loading import uncollected
from fleetctl.model.jobs import Instance
from fleetctl.model.status import FleetStatus
from fleetctl.serve.quick import served
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
@click.option("--fresh", is_flag=True, help="Ask the nodes anew, also where `fleetctl serve` runs.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of --json and exit.")
@click.pass_obj
def command(
    context: Context,
    targets: tuple[str, ...],
    as_json: bool,
    watch: float | None,
    fresh: bool,
    schema: bool,
) -> int:
    """Show nodes, services and problems.

    One connection and one round trip per node; none where `fleetctl serve` knows it already. Of
    other jobs of the file one line each is shown; with --job all, all of each. Exit code 0:
    nothing is wrong; 1: something is.
    """
    if schema:
        from fleetctl.health.status_schema import status_schema  # slow to import

        click.echo(msgspec.json.format(msgspec.json.encode(status_schema())))
        return 0
    context = replace(context, fresh=context.fresh or fresh)
    if watch is None and not context.fresh:
        code = _served(context, targets, as_json)
        if code is not None:
            return code
    with uncollected() if watch is None else nullcontext():
        return asyncio.run(_status(context, targets, as_json, watch))


def _served(context: Context, targets: tuple[str, ...], as_json: bool) -> int | None:
    """Show what `fleetctl serve` knows; None: nothing that is new enough."""
    path = context.config_path
    found = served(str(path) if path else None, context.job, targets)
    if found is None:
        return None
    healthy, text = found
    if as_json:
        click.echo(text, nl=False)
    else:
        status = msgspec.json.decode(text, type=FleetStatus)
        age_s = max(0.0, (datetime.now(UTC) - status.generated_at).total_seconds())
        _print(status)
        click.echo(f"as of {age_s:.1f} s ago, by fleetctl serve")
    return 0 if healthy else 1


async def _status(
    context: Context, targets: tuple[str, ...], as_json: bool, watch: float | None
) -> int:
    async with context.service(several=True) as service:
        services = context.each_job(service)
        shown = list(zip(services, instances_of_each(services, targets), strict=True))
        of_all = context.means_all(service.fleet)
        if watch is None:
            found = await asyncio.gather(*(one.observe(chosen) for one, chosen in shown))
            status = _judged(found, of_all=of_all)
            _show(status, as_json, again=False)
            return 0 if status.healthy else 1
        from fleetctl.cli.reader import while_read

        # with --watch, wait also for the questions that a single quick look leaves out
        await while_read(_again_and_again(shown, of_all, as_json, watch))
        return 0


async def _again_and_again(
    shown: Sequence[tuple[FleetService, Sequence[Instance]]],
    of_all: bool,
    as_json: bool,
    interval_s: float,
) -> None:
    async with AsyncExitStack() as stack:
        watches = [
            (await stack.enter_async_context(service.watch(interval_s)), chosen)
            for service, chosen in shown
        ]
        for watched, _ in watches:
            await watched.all_asked()
        while True:
            found = [watched.snapshot(chosen).status for watched, chosen in watches]
            _show(_judged(found, of_all=of_all), as_json, again=True)
            await asyncio.sleep(interval_s)


def _show(status: FleetStatus, as_json: bool, *, again: bool) -> None:
    if as_json:
        encoded = msgspec.json.encode(status)
        click.echo(encoded if again else msgspec.json.format(encoded))
        return
    if again and sys.stdout.isatty():
        click.echo(CLEAR, nl=False)
    _print(status)


def _print(status: FleetStatus) -> None:
    from fleetctl.cli.render import status_lines  # not for --json

    click.echo("\n".join(status_lines(status)))


def _judged(found: Sequence[FleetStatus], *, of_all: bool) -> FleetStatus:
    """The status of all jobs, or that of the one that is shown."""
    if not of_all:
        return found[0]
    from fleetctl.health.all_jobs import together

    return together(found)
