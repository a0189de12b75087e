"""``fleetctl keys``: the cluster's key, made and put on every node."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import click

from fleetctl.cli.context import Context, nodes
from fleetctl.cli.key_options import Options
from fleetctl.errors import UsageError


@click.command(short_help="make the cluster's key, and put it on every node")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("--check", is_flag=True, help="Only say what is missing; exit code 1 if anything is.")
@click.option("--name", metavar="NAME", help="The comment of a key that is made, without asking.")
@click.option(
    "--ssh-config",
    is_flag=True,
    help="Also write an entry for each node into ~/.ssh/config, after showing it.",
)
@click.option("--yes", is_flag=True, help="Ask nothing but passwords.")
@click.option("--json", "as_json", is_flag=True, help="With --check: one JSON object, on stdout.")
@click.pass_obj
def command(
    context: Context,
    targets: tuple[str, ...],
    check: bool,
    name: str | None,
    ssh_config: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Make the key that nodes.yaml names, if it is missing, and put it on every node that does not
    take it yet; then plain logins need no password.

    Host keys that are new are shown and asked about first, as `trust` does. Where no key works, ssh
    itself asks on this terminal for the account's password, node by node; fleetctl never sees it.
    What is there already is left alone. Exit code 0: every node takes the key.
    """
    if check and (ssh_config or name is not None):
        raise UsageError("--check changes nothing, so --name and --ssh-config do not go with it")
    if as_json and not check:
        raise UsageError("--json is for --check")
    options = Options(check, yes, name, ssh_config, as_json)
    return asyncio.run(_keys(context, targets, options))


async def _keys(context: Context, targets: Sequence[str], options: Options) -> int:
    from fleetctl.cli.granting import Granting
    from fleetctl.cli.ssh_entries import write_entries
    from fleetctl.link.ssh.connect import Connector

    async with context.service(warm=False) as service:
        fleet = service.fleet
        chosen = [n for n in nodes(service, targets) if fleet.nodes[n].connection == "ssh"]
        if not chosen:
            raise UsageError("none of these nodes is reached over SSH")
        written = True
        if options.ssh_config:  # first: it may be what names the key
            written = await write_entries(fleet, Connector(fleet.nodes), yes=options.yes)
        # a new one, which reads what was written
        well = await Granting(fleet, Connector(fleet.nodes), chosen, options).run()
        return 0 if well and written else 1
