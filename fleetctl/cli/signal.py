"""``fleetctl signal``: sends a signal to the processes of services."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import get_args

import click

from fleetctl.cli.all_jobs import prefix_of
from fleetctl.cli.context import Context, instances_of_each
from fleetctl.cli.deliveries import tell
from fleetctl.config.scalars import Signal
from fleetctl.errors import UsageError

SIGNAL_SCHEMA = "fleetctl.signal/1"


@click.command(short_help="send a signal to the processes of services")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.argument("signal", metavar="SIGNAL")
@click.option("--all", "whole", is_flag=True, help="To all processes, and not only to its program.")
@click.option("--json", "as_json", is_flag=True, help="What became of it as JSON on stdout.")
@click.pass_obj
def command(
    context: Context, targets: tuple[str, ...], signal: str, whole: bool, as_json: bool
) -> int:
    """Send SIGNAL, such as USR1, to each instance that a TARGET names.

    The process that its command runs as gets it: the program, not the shell of the command line
    around that. It is no stop: what ends by it is restarted as its restart policy says. With --job
    all, to those of every job.
    """
    return asyncio.run(_signal(context, targets, named(signal), whole, as_json))


def named(signal: str) -> str:
    """A signal without the SIG prefix.

    :raises UsageError: it is none that ``stop.signal`` may be.
    """
    name, known = signal.upper().removeprefix("SIG"), get_args(Signal)
    if name in known:
        return name
    there_are = ", ".join(one for one in known if not one.startswith("SIG"))
    raise UsageError(f"{signal!r} is no signal that can be sent", hint=f"There are: {there_are}.")


async def _signal(
    context: Context, targets: Sequence[str], signal: str, whole: bool, as_json: bool
) -> int:
    async with context.service(several=True) as service:
        services = context.each_job(service)
        of_all = context.means_all(service.fleet)
        pairs = zip(services, instances_of_each(services, targets), strict=True)
        sent = await asyncio.gather(*(one.signal(i, signal, whole=whole) for one, i in pairs))
    found = {
        prefix_of(one, of_all=of_all) + name: delivery
        for one, several in zip(services, sent, strict=True)
        for name, delivery in several.items()
    }
    return tell(found, f"{signal} sent", as_json, {"schema": SIGNAL_SCHEMA, "signal": signal})
