"""``fleetctl attach``: the real tmux window of an instance, in this terminal."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

import click

from fleetctl.cli.context import Context, instances
from fleetctl.errors import LaunchError, LinkError, UsageError


@click.command(short_help="the tmux window of an instance, in this terminal")
@click.argument("target")
@click.option("--read-only", is_flag=True, help="Look, but send no keys.")
@click.pass_obj
def command(context: Context, target: str, read_only: bool) -> int:
    """Show the tmux window of one instance in this terminal, full size.

    Ctrl-b d (or whatever detaches in tmux) comes back here and leaves it running.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("attach needs a terminal", hint=f"See its output: fleetctl logs {target}")
    return asyncio.run(_attach(context, target, read_only))


async def _attach(context: Context, target: str, read_only: bool) -> int:
    from fleetctl.link.console import lend
    from fleetctl.tmux.server import attach_script

    async with context.service() as service:
        chosen = instances(service, [target])
        if len(chosen) != 1:
            names = ", ".join(i.name for i in chosen) or "nothing of the job"
            raise UsageError(f"{target} is {names}", hint="Name one instance, as service@node.")
        instance = chosen[0]
        link = await service.links.get(instance.node)
        pane = await service.pane_of(instance)
        if pane is None:
            raise LaunchError(
                instance.name,
                "has no window: it is not started",
                hint=f"Start it: fleetctl start {instance.name}",
            )
        script = attach_script(service.fleet.name, pane.window_id, read_only=read_only)
        status = await lend(link, script)
        with suppress(LinkError):
            pane = await service.pane_of(instance)
    running = "; it runs on" if pane and not pane.dead else ""
    click.echo(f"left the window of {instance.name}{running}", err=True)
    return status
