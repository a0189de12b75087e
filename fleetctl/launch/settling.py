"""Waiting until a started instance is ready, or it is clear that it will not be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from msgspec.structs import replace

from fleetctl.errors import LinkHung
from fleetctl.health.services import service_status
from fleetctl.launch.last_lines import last_lines
from fleetctl.link.links import Links
from fleetctl.model.facts import CUT_OFF, NO_ANSWER
from fleetctl.model.jobs import Instance
from fleetctl.model.progress import GOOD
from fleetctl.model.records import Record
from fleetctl.model.status import UNREADY_STATES, ServiceStatus
from fleetctl.observe.conditions import Condition
from fleetctl.observe.look import look
from fleetctl.probes.node import services_script

_FIRST_POLL_S = 0.05
STOPPED_MEANWHILE = (
    "it was stopped while this start waited for it; `fleetctl events` tells who asked for that"
)
"""A start stops nothing by itself."""


class Settling:
    """Polls the node of one instance.

    :param seen: called with each status.
    """

    def __init__(
        self,
        fleet: str,
        instance: Instance,
        links: Links,
        seen: Callable[[ServiceStatus], object],
    ) -> None:
        self._fleet = fleet
        self._instance = instance
        self._links = links
        self._seen = seen

    async def wait(self) -> ServiceStatus:
        """The status once it is ready or has ended for good, or after ``ready.timeout``.

        :raises LinkError: the node is lost, or gave no answer up to then.
        """
        instance = self._instance
        key = (instance.job, instance.name)
        condition = Condition(self._fleet, instance)
        deadline = time.monotonic() + instance.ready.timeout_s
        pause = _FIRST_POLL_S
        doubted = False
        while True:
            link = await self._links.get(instance.node)
            try:
                facts = await look(link, services_script(self._fleet, instance.node))
            except LinkHung:  # a busy node may answer the next time
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(pause)
                continue
            status = service_status(self._fleet, instance, facts)
            # while "running", the record is of the present attempt
            record = facts.records.get(key) if status.state == "running" else None
            if record and not record.ready:
                if await condition.holds(link, record):
                    await condition.mark(link, record)
                    records = {**facts.records, key: replace(record, ready=True)}
                    status = service_status(self._fleet, instance, replace(facts, records=records))
                elif condition.unasked:
                    status = replace(status, reason=condition.unasked)
            reason = status.reason or ""
            untold = status.state == "unknown" and reason.startswith((CUT_OFF, NO_ANSWER))
            over = status.state not in UNREADY_STATES and not untold
            if status.state == "stopped" and status.reason is None:
                status = replace(status, reason=STOPPED_MEANWHILE)
            if status.state == "failed" and not doubted and _runs(facts.records.get(key)):
                doubted = True  # it may have ended between two readings of one look
                await asyncio.sleep(_FIRST_POLL_S)
                continue
            if not over and time.monotonic() > deadline:
                over = True
                why = f": {status.reason}" if status.reason else ""
                late = f"not ready after {instance.ready.timeout_s:g} s{why}"
                status = replace(status, reason=late)
            if over and status.state not in GOOD["start"]:
                said = await last_lines(link, self._fleet, instance, facts)
                status = replace(status, last_lines=said)
            self._seen(status)
            if over:
                return status
            await asyncio.sleep(min(pause, max(0.0, deadline - time.monotonic()) + 0.01))
            pause = min(pause * 1.5, instance.ready.interval_s)


def _runs(record: Record | None) -> bool:
    """Whether it runs by what its supervisor wrote last."""
    return record is not None and record.phase == "running"
