"""``fleetctl open``: web pages of the job, through tunnels to their nodes."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import click

from fleetctl import browser
from fleetctl.cli.context import Context, instances
from fleetctl.errors import UsageError
from fleetctl.model.pages import Page, pages
from fleetctl.service import FleetService
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

    A port of 127.0.0.1 leads through the SSH connection to each page's node, until Ctrl-C.
    """
    return asyncio.run(_open(context, port, not no_browser and browser.available(), targets))


async def _open(context: Context, port: int | None, shows: bool, targets: tuple[str, ...]) -> int:
    async with context.service() as service, AsyncExitStack() as opened:
        found = _chosen(service, targets)
        if port and len(found) > 1:
            names = ", ".join(page.name for page in found)
            raise UsageError(f"--port is for one page, and these are {len(found)}: {names}")
        tunnels = [await opened.enter_async_context(service.tunnel(p, port)) for p in found]
        width = max(len(tunnel.url) for tunnel in tunnels)
        for tunnel in tunnels:
            click.echo(f"{tunnel.url:{width}}  {tunnel.page.name}")
        click.echo("Ctrl-C ends the tunnels", err=True)
        await asyncio.gather(*(_show(tunnel, shows) for tunnel in tunnels))
        await asyncio.Event().wait()
    return 0


def _chosen(service: FleetService, targets: tuple[str, ...]) -> tuple[Page, ...]:
    """
    :raises UsageError: there is no page.
    """
    chosen = instances(service, targets)
    found = pages(chosen)
    if not found:
        what = ", ".join(dict.fromkeys(i.service for i in chosen)) if targets else "the job"
        raise UsageError(
            f"nodes.yaml names no web page of {what or 'these targets'}",
            hint="Say at which port a service has one: web: 8787.",
        )
    return found


async def _show(tunnel: Tunnel, shows: bool) -> None:
    """Say why the page is not there, until it is; then open the browser."""
    said = ""
    while why := await tunnel.look():
        if why != said:
            click.echo(f"{tunnel.page.name}: {why}; it is tried again and again", err=True)
        said = why
        await asyncio.sleep(LOOK_S)
    if said:
        click.echo(f"{tunnel.page.name} answers now", err=True)
    if shows:
        browser.show(tunnel.url)
