"""Nodes that are no longer in nodes.yaml, but on which something was started."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from msgspec.structs import replace

from fleetctl.link.links import Links
from fleetctl.model.expectations import Expectations
from fleetctl.model.look import Look
from fleetctl.model.topology import Fleet, Node
from fleetctl.observe.observer import Observer

_NOTHING = Expectations((), frozenset(), ())


class FormerNodes:
    """Asks them what of the fleet still runs there, over links of their own."""

    def __init__(self, fleet: Fleet, nodes: Mapping[str, Node]) -> None:
        self.fleet = replace(fleet, networks={}, nodes=nodes, jobs={}, internet=None)
        self.links = Links(self.fleet)
        self._observer = Observer(self.fleet, None, _NOTHING, self.links)

    async def looks(self) -> dict[str, Look]:
        """What each says."""
        nodes = self.fleet.nodes.values()
        found = await asyncio.gather(*(self._observer.look(node) for node in nodes))
        return dict(zip(self.fleet.nodes, found, strict=True))
