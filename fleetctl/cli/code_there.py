"""Whether the code on the nodes of a job is what is here, looked up beside a start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import click

from fleetctl.errors import UsageError
from fleetctl.model.jobs import Instance
from fleetctl.model.syncing import NodeSync
from fleetctl.service import FleetService

LATE_S = 2.0
"""So long it is waited for when the start has ended before it."""


@asynccontextmanager
async def code_compared(service: FleetService, chosen: Sequence[Instance]) -> AsyncIterator[None]:
    """While inside, the code is compared; at the end a line names the nodes where it differs. What
    cannot be compared is not told: the start has said more about such a node."""
    nodes = list(dict.fromkeys(i.node for i in chosen if i.command is not None))
    if service.job is None or service.job.sync is None or not nodes:
        yield
        return
    differs: dict[str, NodeSync] = {}

    def took(result: NodeSync) -> None:
        if result.state in ("would sync", "changed there"):
            differs[result.node] = result

    comparing = asyncio.create_task(service.sync(nodes, took, dry_run=True))
    try:
        yield
        await asyncio.wait([comparing], timeout=LATE_S)
    finally:
        comparing.cancel()
        [error] = await asyncio.gather(comparing, return_exceptions=True)
    if isinstance(error, UsageError):
        click.echo(f"the code on the nodes could not be compared: {error}", err=True)
    elif named := [name for name in nodes if name in differs]:
        click.echo(
            f"the code on {', '.join(named)} is not what is here; to copy it: fleetctl sync",
            err=True,
        )
