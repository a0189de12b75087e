"""``fleetctl attach``: the real tmux window of an instance, in this terminal."""

from __future__ import annotations

import asyncio

import click

from fleetctl.cli.context import Context, instances
from fleetctl.cli.terminal import require_screen
from fleetctl.errors import UsageError


@click.command(short_help="the tmux window of an instance, in this terminal")
@click.argument("target")
@click.option("--read-only", is_flag=True, help="Look, but send no keys.")
@click.pass_obj
def command(context: Context, target: str, read_only: bool) -> int:
    """Show the tmux window of one instance in this terminal, full size.

    Ctrl-b d comes back here and leaves it running; within a tmux of yours Ctrl-b Ctrl-b d. The
    window's last line names the keys that work.
    """
    require_screen("attach", instead=f"See its output: fleetctl logs {target}")
    return asyncio.run(_attach(context, target, read_only))


async def _attach(context: Context, target: str, read_only: bool) -> int:
    async with context.service() as service:
        chosen = instances(service, [target])
        if len(chosen) != 1:
            names = ", ".join(i.name for i in chosen) or "nothing of the job"
            raise UsageError(f"{target} is {names}", hint="Name one instance, as service@node.")
        left = await service.attach(chosen[0], read_only=read_only)
    if left.exit_status:
        click.echo(f"tmux ended with status {left.exit_status}; what it said is above", err=True)
    click.echo(
        f"left the window of {chosen[0].name}{'; it runs on' if left.runs else ''}", err=True
    )
    return left.exit_status
