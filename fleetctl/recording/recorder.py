"""Writing the snapshots of one watch into the history."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from fleetctl.health.changes import UNWATCHED, Changes
from fleetctl.health.samples import samples
from fleetctl.history.store import STEP_S, Store
from fleetctl.model.actions import Told, events_of, joined
from fleetctl.model.events import Event
from fleetctl.undertakings import Snapshot

GAP_S = UNWATCHED.total_seconds()
"""Where no snapshot came for so long, nobody watched in between."""
WAITING = 10_000
"""So many events wait while the history cannot be written; of more, the oldest are lost."""
OPEN_FOR = timedelta(days=30)
"""An event that is older does not go on."""


def events_to_go_on_with(store: Store) -> list[Event]:
    """What the history has that may still go on, and the actions, of which nodes tell for long.

    :raises HistoryError: it cannot be read.
    """
    since = datetime.now(UTC) - OPEN_FOR
    kept = store.events(datetime.fromtimestamp(0, UTC))
    return [e for e in kept if e.kind == "action" or (e.until is None and e.at >= since)]


class Recorder:
    """Writes the snapshots of one watch into ``store``.

    :meth:`look`, :meth:`heard` and :meth:`write` may be called by different threads, each by one at
    a time: the first two touch no file.

    :param store: None: there is none yet; it is set later.
    """

    def __init__(self, store: Store | None = None) -> None:
        self.store = store
        self.lost = 0
        """How many events could not be kept at all."""
        self.looked = False
        """Whether it has seen anything."""
        self._changes = Changes()
        self._lock = threading.Lock()
        self._waiting: dict[str, Event] = {}
        self._newest: Snapshot | None = None
        self._watched_from_s = 0.0
        self._newest_s = 0.0
        self._kept_s = 0.0

    def take(self, snapshot: Snapshot) -> tuple[Event, ...]:
        """Keep what is new; snapshots that are not complete are left out.

        :returns: the events since the last one. One that is known better, or is over, comes again
            with its key.
        :raises HistoryError: it cannot be written; the next snapshot brings it again.
        """
        if not self.looked and self.store and snapshot.complete:
            self.go_on_with(events_to_go_on_with(self.store))
        new = self.look(snapshot)
        self.write()
        return new

    def go_on_with(self, events: list[Event]) -> None:
        """Take :func:`events_to_go_on_with`, before anything else."""
        self._changes.go_on_with(events)
        self._changes.heard([event for event in events if event.kind == "action"])

    def look(self, snapshot: Snapshot) -> tuple[Event, ...]:
        """Take a snapshot, and write nothing yet; the events since the last one."""
        if not snapshot.complete:
            return ()
        self.looked = True
        at_s = snapshot.status.generated_at.timestamp()
        new = self._changes.look(snapshot.status)
        with self._lock:
            if not 0 <= at_s - self._newest_s <= GAP_S:
                self._watched_from_s = at_s
            self._newest, self._newest_s = snapshot, at_s
        self._wait((*self._changes.adopted(), *new))
        return new

    def heard(self, told: Mapping[str, Told]) -> tuple[Event, ...]:
        """Take what controllers noted on nodes, and write nothing yet; what of it is new."""
        events = events_of({n: t.notes for n, t in told.items()}, datetime.now(UTC))
        new = self._changes.heard(events)
        self._wait(new)
        return new

    def note(self, event: Event) -> None:
        """Take what the observer itself has to say, and write nothing yet."""
        self._wait((event,))

    @property
    def asks(self) -> bool:
        """Whether it is not known of something new who asked for it."""
        return self._changes.asks

    def _wait(self, new: tuple[Event, ...]) -> None:
        with self._lock:
            self._waiting |= {event.key: event for event in new}
            while len(self._waiting) > WAITING:
                del self._waiting[next(iter(self._waiting))]
                self.lost += 1

    def write(self) -> None:
        """Write what waits, and the newest samples once in each step of time.

        :raises HistoryError: it cannot be written; it waits on.
        """
        assert self.store
        with self._lock:
            events, newest, at_s = dict(self._waiting), self._newest, self._newest_s
            from_s = self._watched_from_s
        if events:
            self.store.add_events(self._with_known(events))
            with self._lock:
                for key, event in events.items():
                    if self._waiting.get(key) is event:
                        del self._waiting[key]
        if newest is not None and at_s // STEP_S != self._kept_s // STEP_S:
            self.store.add(at_s, samples(newest.checked), watched_from_s=from_s)
            self._kept_s = at_s

    def _with_known(self, events: Mapping[str, Event]) -> list[Event]:
        """With what other nodes told of the same actions earlier."""
        assert self.store
        actions = [event for event in events.values() if event.kind == "action"]
        if not actions:
            return list(events.values())
        first = min(event.at for event in actions) - timedelta(minutes=1)
        kept = {e.key: e for e in self.store.events(first) if e.kind == "action"}
        return [
            joined(kept[key], event) if event.kind == "action" and key in kept else event
            for key, event in events.items()
        ]
