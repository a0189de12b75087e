"""The fleet's entries in ``~/.ssh/config``, shown, asked about and written."""

from __future__ import annotations

import asyncio

import click

from fleetctl.access import ssh_config_file
from fleetctl.access.ssh_block import block, others, put_in
from fleetctl.access.ssh_hosts import hosts
from fleetctl.cli.asking import agreed, can_ask
from fleetctl.cli.render import plain
from fleetctl.errors import UsageError
from fleetctl.link.ssh.connect import Connector
from fleetctl.model.topology import Fleet


async def write_entries(fleet: Fleet, connector: Connector, *, yes: bool) -> bool:
    """Write the block of ``fleet``, which is about all of its nodes; whether it is there.

    :raises FleetctlError: the file cannot be read or written.
    """
    entries, errors = await hosts(fleet, connector)
    for error in errors:
        click.echo(f"fleetctl: {error}", err=True)
    if not entries:
        return False
    before = ssh_config_file.read()
    written = block(fleet.name, entries)
    after = put_in(before, fleet.name, written)
    if after == before:
        click.echo("~/.ssh/config has these entries already")
        return not errors
    click.echo(plain(written), nl=False)
    for name, line in others(before, [entry.name for entry in entries], fleet.name).items():
        click.echo(f"line {line} of ~/.ssh/config has an entry for {name}, too", err=True)
    if not yes:
        if not can_ask():
            raise UsageError(
                "there is no terminal to ask on before ~/.ssh/config is written", hint="Add --yes."
            )
        if not await agreed("Write this into ~/.ssh/config?"):
            return False
    after = put_in(ssh_config_file.read(), fleet.name, written)  # it may have changed meanwhile
    await asyncio.to_thread(ssh_config_file.replace, after, entries[0].name)
    click.echo("written into ~/.ssh/config")
    return not errors
