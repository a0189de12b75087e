"""Connecting to all nodes, while the modules are imported by which they will be asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from importlib import import_module

from fleetctl.errors import LinkError
from fleetctl.link.links import Links
from fleetctl.link.protocol import Link
from fleetctl.loading import uncollected
from fleetctl.model.topology import Fleet

_ASKING = ("fleetctl.probes.registry", "fleetctl.observe.observer")
_JUDGING = ("fleetctl.health.kinds.registry", "fleetctl.health.assess", "fleetctl.observe.again")
"""What asking nodes, and judging their answers, needs, in pieces of some milliseconds each."""
_TURNS = 5
"""Of the event loop, before each piece: enough for a login to go on until it waits for the node."""
_LONGEST_S = 1.0
"""How long the first login may take to begin; it takes a moment where the node is silent, too."""

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
    attempts = [asyncio.create_task(links.can_log_in.wait()), *opening.values()]
    try:
        if opening:
            await asyncio.wait(attempts, timeout=_LONGEST_S, return_when=asyncio.FIRST_COMPLETED)
        await _imported(_ASKING)
        yield opening
    finally:
        for task in attempts:
            task.cancel()
        await asyncio.gather(*attempts, return_exceptions=True)


async def judging() -> None:
    """Import what judges the answers, while nodes are asked."""
    await _imported(_JUDGING)


async def _imported(modules: Iterable[str]) -> None:
    for module in modules:
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        with uncollected():
            import_module(module)


async def failed(opening: Opening | None) -> LinkError | None:
    """Why an attempt fails, if it does: it is not made again."""
    if opening is None:
        return None
    await asyncio.wait({opening})  # not longer than its connect_timeout
    if opening.cancelled():
        return None
    error = opening.exception()
    return error if isinstance(error, LinkError) else None
