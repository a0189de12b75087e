"""``fleetctl check``: whether everything is as it must be, and if not, why."""

from __future__ import annotations

import asyncio

import click
import msgspec
from msgspec.structs import replace

from fleetctl.cli.all_jobs import name_of
from fleetctl.cli.context import Context, nodes_of_each
from fleetctl.cli.progress import ProgressLines
from fleetctl.cli.verdict import check_lines
from fleetctl.health.all_jobs import together
from fleetctl.health.assess import Checked
from fleetctl.service import FleetService


@click.command(short_help="verify the network: routes, forwarding, which node reaches which")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, alone on stdout.")
@click.option("--fresh", is_flag=True, help="Over connections of its own, not of `fleetctl serve`.")
@click.pass_obj
def command(context: Context, targets: tuple[str, ...], as_json: bool, fresh: bool) -> int:
    """Ask every node what is true, and compare it with what must be true.

    Addresses, routes there and back, forwarding, which node must and must not answer which, and
    all that `status` shows. TARGETs limit what is shown; every node is asked, because a cause may
    be anywhere. Nothing is changed. With --job all, for one job after the other. Exit code 0: no
    error; 1: something is wrong.
    """
    context = replace(context, fresh=context.fresh or fresh)
    return asyncio.run(_check(context, targets, as_json))


async def _check(context: Context, targets: tuple[str, ...], as_json: bool) -> int:
    async with context.service(several=True) as service:
        services = context.each_job(service)
        of_all = context.means_all(service.fleet)
        shown = nodes_of_each(services, targets)
        checks = []
        for one in services:  # side by side they would disturb what is measured
            if of_all:
                click.echo(f"job {name_of(one)}:", err=True)
            checks.append(await _check_one(one))
        checked = checks[0]
        status = together([one.status for one in checks]) if of_all else checked.status
        if as_json:
            click.echo(msgspec.json.format(msgspec.json.encode(status)))
        else:
            click.echo("\n".join(check_lines(status, checked.facts, shown)))
        return 0 if status.healthy else 1


async def _check_one(service: FleetService) -> Checked:
    asked = [n.name for n in service.fleet.nodes.values() if n.connection != "none"]
    lines = ProgressLines(asked, "asking")
    async with lines.live():
        return await service.check(answered=lambda name, _: lines.settle(name))
