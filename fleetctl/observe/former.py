"""Nodes that are no longer in nodes.yaml, but on which something was started."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from fleetctl.health.orphans import orphans
from fleetctl.link.links import Links
from fleetctl.model.expectations import Expectations
from fleetctl.model.jobs import Job
from fleetctl.model.look import Look
from fleetctl.model.topology import Fleet
from fleetctl.observe.observer import Observer
from fleetctl.observe.started_nodes import StartedNodes

_NOTHING = Expectations((), frozenset(), ())


class FormerNodes:
    """Asks them what of the fleet still runs there, over links of their own."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.started = StartedNodes(fleet.name)
        nodes = self.started.former(fleet.nodes)
        alone = replace(fleet, networks={}, nodes=nodes, jobs={}, internet=None)
        self._nodes = tuple(nodes.values())
        self.links = Links(alone)
        self._observer = Observer(alone, None, _NOTHING, self.links)

    async def looks(self, job: Job | None) -> dict[str, Look]:
        """What each says. Those on which nothing runs any more are forgotten."""
        found = await asyncio.gather(*(self._observer.look(node) for node in self._nodes))
        looks = {node.name: look for node, look in zip(self._nodes, found, strict=True)}
        for name, look in looks.items():
            if look.facts and not any(orphans(self._fleet, job, name, look.facts)):
                self.started.forget(name)
        return looks
