"""What a `fleetctl serve` knows of the fleet: shown until this dashboard has asked every node."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from msgspec.structs import replace

from fleetctl.health.assess import Checked
from fleetctl.model.expectations import derive
from fleetctl.model.status import FleetStatus
from fleetctl.service import FleetService
from fleetctl.tui.messages import SnapshotTaken
from fleetctl.tui.sources import Post
from fleetctl.undertakings import Snapshot

Known = Callable[[str | None], FleetStatus | None]
"""Asks a server for its newest status of a job; None: it has none that is new enough, or there is
no server. Blocks for some seconds at most."""


async def show_known(known: Known, service: FleetService, post: Post) -> None:
    """Post what a server knows of the job of ``service``, if there is one."""
    job = service.job.name if service.job else None
    status = await asyncio.to_thread(known, job)
    if status is not None:
        post(SnapshotTaken(as_snapshot(status, service)))


def as_snapshot(status: FleetStatus, service: FleetService) -> Snapshot:
    """With the ages that things have now: all nodes were heard at ``generated_at`` or later. Facts
    are not known with it."""
    heard = {name: status.generated_at for name, node in status.nodes.items() if node.ssh.reachable}
    now = replace(status, generated_at=datetime.now(UTC))
    expectations = derive(service.fleet, service.job)
    checked = Checked(now, (), {}, service.fleet, expectations)
    return Snapshot(checked, heard, as_of=status.generated_at)
