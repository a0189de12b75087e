"""Watching the fleet without a screen, and keeping what is seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from fleetctl.fleet import LiveFleet
from fleetctl.health.changes import changes
from fleetctl.history.store import HistoryError, Store
from fleetctl.history.writer_lock import WriterLock
from fleetctl.model.events import Event
from fleetctl.model.status import FleetStatus
from fleetctl.recording import Recorder
from fleetctl.serve.newest import Newest
from fleetctl.undertakings import Snapshot

OnSnapshot = Callable[[Snapshot, Sequence[Event]], Awaitable[None]]
"""Called with each snapshot of the fleet and what is new in it, for alerts and pages; must be
quick, and may not raise."""
Say = Callable[[str], object]
"""Takes a line for the user."""

MOST_NOTES = 200
"""Of the observer's own, that wait to be kept; the oldest are dropped."""
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 300.0
"""After a history that cannot be written, it is tried again after pauses that double from the one
to the other."""


class Keeping:
    """Writes snapshots into the history of a fleet, as soon as no other process does: a dashboard
    that was there first goes on until it is left.

    :param say: takes what the user should know.
    """

    def __init__(self, fleet: str, say: Say) -> None:
        self._fleet = fleet
        self._say = say
        self._lock = WriterLock(fleet)
        self._store: Store | None = None
        self._recorder: Recorder | None = None
        self._before: FleetStatus | None = None
        self._next_s = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._other = False
        self._notes: list[Event] = []

    def note(self, event: Event) -> None:
        """Tell the user what the observer itself has to say, and keep it with what is seen."""
        self._say(line(event))
        self._notes = [*self._notes, event][-MOST_NOTES:]

    async def take(self, snapshot: Snapshot) -> Sequence[Event]:
        """Keep it if that can be done; returns what is new, kept or not."""
        if not snapshot.complete:
            return ()
        before, self._before = self._before, snapshot.status
        found = tuple(changes(before, snapshot.status)) if before else ()
        if time.monotonic() < self._next_s:
            return found
        try:
            kept = await asyncio.to_thread(self._keep, snapshot)
        except (HistoryError, OSError) as error:
            self._next_s = time.monotonic() + self._pause_s
            self._say(f"{error}; tried again in {self._pause_s:g} s")
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            return found
        self._pause_s = FIRST_PAUSE_S
        return found if kept is None else kept or found

    def _keep(self, snapshot: Snapshot) -> Sequence[Event] | None:
        """None: another process writes.

        :raises HistoryError: it cannot be written.
        :raises OSError: the lock cannot be taken.
        """
        if not self._lock.take():
            if not self._other:
                self._say(f"process {self._lock.holder} keeps the history until it ends")
            self._other = True
            self._next_s = time.monotonic() + FIRST_PAUSE_S
            return None
        self._other = False
        if self._recorder is None:
            self._store = Store(self._fleet)
            self._recorder = Recorder(self._store)
        if self._notes and self._store:
            noted = self._notes
            self._store.add_events(noted)
            self._notes = [event for event in self._notes if event not in noted]
        return self._recorder.take(snapshot)

    def close(self) -> None:
        """Let another process write."""
        if self._store:
            with suppress(HistoryError):
                self._store.close()
        self._store = self._recorder = None
        self._lock.release()


class Observing:
    """Watches one job of a fleet; an async context manager.

    :param say: takes a line for each event.
    """

    def __init__(self, service: LiveFleet, interval_s: float, keeping: Keeping, say: Say) -> None:
        self._watch = service.watch(interval_s)
        self._interval_s = interval_s
        self._keeping = keeping
        self._say = say
        self.newest = Newest(self._watch, frozenset(service.fleet.nodes), interval_s)
        self.on_snapshot: list[OnSnapshot] = []

    async def run(self) -> None:
        """Watch until cancelled."""
        async with self._watch:
            while True:
                await self._watch.urgent(self._interval_s)
                snapshot = self.newest.snapshot()
                events = await self._keeping.take(snapshot)
                for event in events:
                    self._say(line(event))
                for tell in self.on_snapshot:
                    await tell(snapshot, events)


def line(event: Event) -> str:
    """``2026-01-02T03:04:05Z worker@pi4: restarted``."""
    at = event.at.strftime("%Y-%m-%dT%H:%M:%SZ")
    text = event.text if event.text.startswith(event.subject) else f"{event.subject}: {event.text}"
    return f"{at} {text}"
