"""``fleetctl open``: web pages of the job, through tunnels to their nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

import click

from fleetctl import browser
from fleetctl.cli.all_jobs import prefix_of
from fleetctl.cli.context import Context, instances_of_each
from fleetctl.errors import UsageError
from fleetctl.model.jobs import Instance
from fleetctl.model.pages import pages
from fleetctl.undertakings import Tunnel

LOOK_S = 2.0
"""Seconds between two tries to reach a page that is not there yet."""


@click.command(short_help="Web pages of the job, in the browser here.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    metavar="N",
    help="The port here; else the page's own if it is free.",
)
@click.option("--no-browser", is_flag=True, help="Only print the addresses.")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.pass_obj
def command(context: Context, port: int | None, no_browser: bool, targets: tuple[str, ...]) -> int:
    """Open the web pages of TARGETs (`web` in nodes.yaml), also those on networks that this machine
    does not reach.

    A port of 127.0.0.1 leads through the SSH connection to each page's node, until Ctrl-C. With
    --job all, those of every job.
    """
    return asyncio.run(_open(context, port, not no_browser and browser.available(), targets))


async def _open(context: Context, port: int | None, shows: bool, targets: tuple[str, ...]) -> int:
    async with context.service(several=True) as service, AsyncExitStack() as opened:
        services = context.each_job(service)
        of_all = context.means_all(service.fleet)
        chosen = instances_of_each(services, targets)
        found = [
            (one, prefix_of(one, of_all=of_all) + page.name, page)
            for one, several in zip(services, chosen, strict=True)
            for page in pages(several)
        ]
        if not found:
            raise _none(chosen, targets, of_all=of_all)
        if port and len(found) > 1:
            names = ", ".join(name for _, name, _ in found)
            raise UsageError(f"--port is for one page, and these are {len(found)}: {names}")
        tunnels = [
            (name, await opened.enter_async_context(one.tunnel(page, port)))
            for one, name, page in found
        ]
        width = max(len(tunnel.url) for _, tunnel in tunnels)
        for name, tunnel in tunnels:
            click.echo(f"{tunnel.url:{width}}  {name}")
        click.echo("Ctrl-C ends the tunnels", err=True)
        await asyncio.gather(*(_show(name, tunnel, shows) for name, tunnel in tunnels))
        await asyncio.Event().wait()
    return 0


def _none(
    chosen: Sequence[Sequence[Instance]], targets: Sequence[str], *, of_all: bool
) -> UsageError:
    """The error where there is no page."""
    services = dict.fromkeys(i.service for several in chosen for i in several)
    whole = "the jobs" if of_all else "the job"
    what = ", ".join(services) if targets else whole
    return UsageError(
        f"nodes.yaml names no web page of {what or 'these targets'}",
        hint="Say at which port a service has one: web: 8787.",
    )


async def _show(name: str, tunnel: Tunnel, shows: bool) -> None:
    """Say why the page is not there, until it is; then open the browser."""
    said = ""
    while why := await tunnel.look():
        if why != said:
            click.echo(f"{name}: {why}; it is tried again and again", err=True)
        said = why
        await asyncio.sleep(LOOK_S)
    if said:
        click.echo(f"{name} answers now", err=True)
    if shows:
        browser.show(tunnel.url)
