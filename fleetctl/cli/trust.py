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
@click.option("--check", is_flag=True, help="Only show them; exit code 1 if one is not recorded.")
@click.option("--json", "as_json", is_flag=True, help="With --check: one JSON object, on stdout.")
@click.pass_obj
def command(
    context: Context, targets: tuple[str, ...], yes: bool, check: bool, as_json: bool
) -> int:
    """Ask the SSH server of each node for its host keys, all at the same time, and show them beside
    what is recorded for it, and what nodes that are trusted already see of it.

    New keys are recorded where ssh itself would, after a yes. A key that is not the recorded one is
    never replaced: both fingerprints are shown, and what that can mean. Exit code 0: every node's
    key is recorded.
    """
    if as_json and not check:
        raise UsageError("--json is for --check")
    if check and yes:
        raise UsageError("--check records nothing, so --yes does not go with it")
    return asyncio.run(_trust(context, targets, yes, check, as_json))


async def _trust(
    context: Context, targets: Sequence[str], yes: bool, check: bool, as_json: bool
) -> int:
    from fleetctl.access.trust import Finding, Trust
    from fleetctl.cli.access_json import TRUST_SCHEMA, finding_json, print_json
    from fleetctl.cli.trusting import establish, look, show
    from fleetctl.link.ssh.connect import Connector
    from fleetctl.model.ways_in import waves

    async with context.service(warm=False) as service:
        fleet = service.fleet
        chosen = [n for n in nodes(service, targets) if fleet.nodes[n].connection == "ssh"]
        if not chosen:
            raise UsageError("none of these nodes is reached over SSH")
        trust = Trust(fleet, Connector(fleet.nodes))
        trusted: set[str] = set()
        seen: dict[str, Finding] = {}
        for wave in waves(fleet, chosen):
            if not check:
                trusted |= await establish(trust, wave, yes=yes, told=chosen)
                continue
            seen |= (found := await look(trust, wave))
            trusted |= {name for name, finding in found.items() if finding.trusted}
            if not as_json:
                show(found, chosen)
        ok = trusted == set(chosen)
        if as_json:
            nodes_json = {name: finding_json(seen[name]) for name in chosen}
            print_json(TRUST_SCHEMA, ok=ok, nodes=nodes_json)
        return 0 if ok else 1
