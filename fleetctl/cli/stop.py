"""``fleetctl stop``: dependents first, and nothing left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import click

from fleetctl.cli.context import Context, instances
from fleetctl.cli.progress import ProgressLines
from fleetctl.cli.start import report_outcome
from fleetctl.fleet import FleetService
from fleetctl.model.jobs import Instance
from fleetctl.model.status import ServiceStatus

_SETTLED = frozenset({"stopped", "unknown", "failed"})


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
        chosen = instances(service, targets)
        results = await stop_chosen(service, chosen)
        return report_outcome("stop", results, {"stopped"}, as_json)


async def stop_chosen(
    service: FleetService, chosen: Sequence[Instance]
) -> dict[str, ServiceStatus]:
    """Stop ``chosen`` and show how it goes."""
    lines = ProgressLines([i.name for i in chosen if i.command is not None], _SETTLED)
    async with lines.live("stopping"):
        return await service.stop(chosen, lines.report)
