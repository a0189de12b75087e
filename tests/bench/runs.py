"""A run of bench on the simulated cluster: what nodes say is scripted, and so are figures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import cast

import pytest
from msgspec.structs import replace

from fleetctl.bench import run
from fleetctl.bench.measuring import Measuring
from fleetctl.bench.ring import Ring
from fleetctl.bench.run import Bench
from fleetctl.health.assess import Checked
from fleetctl.link.links import Links
from fleetctl.model.bench import AllReduce, BenchPath, Measured
from fleetctl.model.status import FleetStatus
from tests.bench.fleets import EXPECTATIONS, FLEET, JOB, LONG, measured
from tests.bench.links import FakeLinks
from tests.health.world import World


def bench(
    nodes: list[str] | None = None,
    *,
    says: Mapping[str, bytes | None] = {},
    fault: Callable[[World], object] = lambda _: None,
    changed: Callable[[FleetStatus], FleetStatus] = lambda status: status,
) -> Bench:
    """A run on the cluster, on which nothing else runs.

    :param changed: changes what the check finds.
    """
    made = World(FLEET)
    fault(made)

    async def check() -> Checked:
        found = made.check()
        return replace(found, status=changed(found.status))

    links = cast(Links, FakeLinks(says))
    chosen = nodes or list(FLEET.nodes)
    return Bench(FLEET, JOB, EXPECTATIONS, links, check, chosen, everything=False, seconds=1)


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> dict[str, Measured | None]:
    """By label of a path: its figures, instead of sound ones; None: it never ends."""
    scripted: dict[str, Measured | None] = {}

    async def measure(self: Measuring, path: BenchPath) -> Measured:
        found = scripted.get(path.label, measured(path, 12_000, 12_000))
        if path == LONG:
            found = scripted.get(path.label, measured(path))
        if found is None:
            self.current = measured(path, None, None)
            await asyncio.Event().wait()
        assert found
        return found

    async def reduced(_: Links, ring: Ring) -> AllReduce:
        return AllReduce(ring.nodes, True, 1024 * 1024, 12.5, 1342.2)

    monkeypatch.setattr(Measuring, "measure", measure)
    monkeypatch.setattr(run, "all_reduce", reduced)
    return scripted
