"""``fleetctl trust``: shows nodes' host keys, and records them once the user says so."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import click

from fleetctl.cli.context import Context, nodes
from fleetctl.errors import UsageError


@click.command(short_help="show nodes' host keys side by side; record them on a yes")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("--yes", is_flag=True, help="Record new keys without asking; never a changed one.")
@click.pass_obj
def command(context: Context, targets: tuple[str, ...], yes: bool) -> int:
    """Ask the SSH server of each node for its host keys, all at the same time, and show them beside
    what is recorded for it, and what nodes that are trusted already see of it.

    New keys are recorded where ssh itself would, after a yes. A key that is not the recorded one is
    never replaced: both fingerprints are shown, and what that can mean. Exit code 0: every node's
    key is recorded.
    """
    return asyncio.run(_trust(context, targets, yes))


async def _trust(context: Context, targets: Sequence[str], yes: bool) -> int:
    from fleetctl.access.trust import Trust
    from fleetctl.cli.trusting import establish
    from fleetctl.link.ssh.connect import Connector
    from fleetctl.model.ways_in import waves

    async with context.service() as service:
        fleet = service.fleet
        chosen = [n for n in nodes(service, targets) if fleet.nodes[n].connection == "ssh"]
        if not chosen:
            raise UsageError("none of these nodes is reached over SSH")
        trust = Trust(fleet, Connector(fleet.nodes))
        trusted: set[str] = set()
        for wave in waves(fleet, chosen):
            trusted |= await establish(trust, wave, yes=yes, told=chosen)
        return 0 if trusted == set(chosen) else 1
