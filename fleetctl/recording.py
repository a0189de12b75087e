"""Keeping what a watch sees: samples and events, from snapshot to snapshot."""

from __future__ import annotations

from datetime import timedelta

from fleetctl.health.changes import changes
from fleetctl.health.samples import samples
from fleetctl.health.spans import Spans
from fleetctl.history.store import STEP_S, Store
from fleetctl.model.events import Event
from fleetctl.model.status import FleetStatus
from fleetctl.undertakings import Snapshot

GAP_S = 60.0
"""Where no snapshot came for so long, nobody watched in between."""

OPEN_DAYS = 30
"""A problem of an earlier watch that began no longer ago may go on."""


class Recorder:
    """Writes the snapshots of one watch into ``store``. Not for several threads at once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._before: FleetStatus | None = None
        self._spans: Spans | None = None
        self._watched_from_s = 0.0
        self._newest_s = 0.0
        self._kept_s = 0.0

    def take(self, snapshot: Snapshot) -> tuple[Event, ...]:
        """Keep what is new; snapshots that are not complete are left out.

        :returns: the events since the last one.
        :raises HistoryError: it cannot be written; the next snapshot brings it again.
        """
        if not snapshot.complete:
            return ()
        status = snapshot.status
        at_s = status.generated_at.timestamp()
        if not 0 <= at_s - self._newest_s <= GAP_S:
            self._watched_from_s = at_s
        new = tuple(changes(self._before, status)) if self._before else ()
        if self._spans is None:
            since = status.generated_at - timedelta(days=OPEN_DAYS)
            self._spans = Spans.of(self._store.events(since))
        spans, kept = self._spans.after(status, new)
        if kept:
            self._store.add_events(kept)
        self._spans = spans
        if at_s // STEP_S != self._kept_s // STEP_S:
            found = samples(snapshot.checked)
            self._store.add(at_s, found, watched_from_s=self._watched_from_s)
            self._kept_s = at_s
        self._before, self._newest_s = status, at_s
        return new
