"""Watching the fleet without a screen, and keeping what is seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from fleetctl.fleet import LiveFleet
from fleetctl.model.events import Event
from fleetctl.model.jobs import Job
from fleetctl.recording.keeping import Keeping
from fleetctl.serve.newest import Newest
from fleetctl.undertakings import Snapshot
from fleetctl.words.events import told

LOOK_S = 0.05
"""A node is looked at once in so many seconds for each node of the fleet, or in the interval that
was asked for, if that is longer: 200 nodes every 10 s. So many looks leave a machine of two cores
time for others."""
RESTS = 4
"""How many times as long as it takes to judge the fleet it is not judged again, whatever is new:
when a large fleet answers for the first time, each node is."""

OnSnapshot = Callable[[Snapshot, Sequence[Event]], Awaitable[None]]
"""Called with each snapshot of the fleet and what is new since the last one, for alerts and pages;
must be quick, and may not raise."""
Say = Callable[[str], object]
"""Takes a line for the user."""


class Observing:
    """Watches jobs of a fleet, and writes the history as soon as no other process does: a
    dashboard that was there first goes on until it is left.

    :param jobs: all that are watched; that of ``service`` is the first, if it has one.
    :param interval_s: the fleet is judged that often, and each node looked at; but see
        :data:`LOOK_S`.
    :param say: takes a line for each event, and for what the user should know.
    """

    def __init__(
        self, service: LiveFleet, jobs: Sequence[Job], interval_s: float, say: Say
    ) -> None:
        look_every_s = max(interval_s, LOOK_S * len(service.fleet.nodes))
        self._watch = service.watch(look_every_s, beside=jobs[1:])
        self._interval_s = interval_s
        self._say = say
        self._new: list[Event] = []
        self._keeping = Keeping(service, self._heard, say, timedelta(0))
        self.newest = Newest(self._watch, service.fleet, jobs, look_every_s)
        self.on_snapshot: list[OnSnapshot] = []

    def _heard(self, events: Sequence[Event]) -> None:
        self._new.extend(events)
        for event in told(events):
            self._say(line(event))

    def note(self, event: Event) -> None:
        """Tell, and keep, what the server itself has to say; ``event`` has a key of its own."""
        self._keeping.note(event)

    async def run(self) -> None:
        """Watch until cancelled."""
        keeping = asyncio.create_task(self._keeping.run())
        try:
            await self._keeping.begun()
            async with self._watch:
                while not keeping.done():
                    await self._watch.urgent(self._interval_s)
                    began_s = time.monotonic()
                    snapshot = self.newest.snapshot()
                    took_s = time.monotonic() - began_s
                    self._keeping.take(snapshot)
                    events, self._new = tuple(self._new), []
                    for tell in self.on_snapshot:
                        await tell(snapshot, events)
                    await asyncio.sleep(took_s * RESTS)
            await keeping  # raises what ended it
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)


def line(event: Event) -> str:
    """``2026-01-02T03:04:05Z worker@pi4: restarted``."""
    at = event.at.strftime("%Y-%m-%dT%H:%M:%SZ")
    text = event.text if event.text.startswith(event.about) else f"{event.about}: {event.text}"
    return f"{at} {text}" + (f" ({event.end})" if event.end else "")
