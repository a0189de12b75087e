"""Connecting to all nodes, while the modules are imported by which they will be asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module

from fleetctl.errors import LinkError
from fleetctl.link.links import Links
from fleetctl.link.protocol import Link
from fleetctl.loading import uncollected
from fleetctl.model.topology import Fleet

_PIECES = (
    "fleetctl.probes.registry",
    "fleetctl.health.kinds.registry",
    "fleetctl.health.assess",
    "fleetctl.observe.observer",
    "fleetctl.observe.again",
)
"""What asking nodes and judging their answers needs, in pieces of some milliseconds each."""

Opening = asyncio.Task[Link]


@asynccontextmanager
async def connecting(fleet: Fleet, links: Links) -> AsyncIterator[Mapping[str, Opening]]:
    """Begin to connect to every node by SSH, and import meanwhile: that takes about as long as
    their servers take to answer. Gives the attempts, by node."""
    opening = {
        node.name: asyncio.create_task(links.get(node.name))
        for node in fleet.nodes.values()
        if node.connection == "ssh"
    }
    try:
        await asyncio.sleep(0)  # the attempts begin, ...
        for module in _PIECES:
            await asyncio.sleep(0)  # ... and go on
            with uncollected():
                import_module(module)
        yield opening
    finally:
        for task in opening.values():
            task.cancel()
        await asyncio.gather(*opening.values(), return_exceptions=True)


def failed(opening: Opening | None) -> LinkError | None:
    """Why an attempt has failed, if it has by now: it need not be made again."""
    if opening is None or not opening.done() or opening.cancelled():
        return None
    error = opening.exception()
    return error if isinstance(error, LinkError) else None
