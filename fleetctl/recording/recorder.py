"""Writing the snapshots of one watch into the history."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from fleetctl.health.changes import UNWATCHED, Changes
from fleetctl.health.samples import link_samples, samples
from fleetctl.history.store import STEP_S, Store
from fleetctl.model.actions import Told, events_of, joined
from fleetctl.model.events import Event
from fleetctl.model.samples import Sample
from fleetctl.undertakings import Snapshot

GAP_S = UNWATCHED.total_seconds()
"""Where no snapshot came for so long, nobody watched in between."""
WAITING = 10_000
"""So many events wait while the history cannot be written; of more, the oldest are lost."""
STEPS_WAITING = 6
"""Of so many steps of time what looks told of links waits; of more, the oldest is lost."""
OPEN_FOR = timedelta(days=30)
"""An event that is older does not go on."""


def events_to_go_on_with(store: Store) -> list[Event]:
    """What the history has that may still go on, and the actions, of which nodes tell for long.

    :raises HistoryError: it cannot be read.
    """
    since = datetime.now(UTC) - OPEN_FOR
    kept = store.events(datetime.fromtimestamp(0, UTC))
    return [e for e in kept if e.kind == "action" or (e.until is None and e.at >= since)]


class LinkLooks:
    """Tells from snapshot to snapshot what is new of links."""

    def __init__(self) -> None:
        self._at: dict[str, datetime] = {}
        """By node: of when the look is that was taken last."""

    def new(self, snapshot: Snapshot) -> list[Sample]:
        """What the looks since the last snapshot told, one of each node at most."""
        found: list[Sample] = []
        for name, facts in snapshot.checked.facts.items():
            if self._at.get(name) != facts.measured_at:
                self._at[name] = facts.measured_at
                found += link_samples(snapshot.checked, name)
        return found


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
        self._looks = LinkLooks()
        self._links: dict[float, list[Sample]] = {}
        """By the begin of a step of time: what looks in it told of links, and is not written."""

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
            self._take_links(snapshot, at_s)
        self._wait((*self._changes.adopted(), *new))
        return new

    def _take_links(self, snapshot: Snapshot, at_s: float) -> None:
        """Take what is new of links: one that was bad for a few looks of a step was bad."""
        links = self._links.setdefault(_step(at_s), [])
        links += self._looks.new(snapshot)
        while len(self._links) > STEPS_WAITING:
            del self._links[next(iter(self._links))]

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

    def write(self, *, last: bool = False) -> None:
        """Write what waits, and the newest samples once in each step of time; what else looks in it
        told of links comes with those of the next one.

        :param last: there is no next one.
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
        if newest is not None and (last or _step(at_s) != _step(self._kept_s)):
            self._write_samples(newest, at_s, from_s)

    def _write_samples(self, newest: Snapshot, at_s: float, from_s: float) -> None:
        assert self.store
        with self._lock:
            links = {step_s: tuple(found) for step_s, found in self._links.items()}
        found = list(links.get(_step(at_s), ()))
        if _step(at_s) != _step(self._kept_s):
            there = {sample.series for sample in found}
            found += (s for s in samples(newest.checked) if s.series not in there)
        earlier = {step_s: more for step_s, more in links.items() if step_s != _step(at_s)}
        self.store.add(at_s, found, watched_from_s=from_s, earlier=earlier)
        self._kept_s = at_s
        with self._lock:
            for step_s, written in links.items():
                if left := self._links.get(step_s, [])[len(written) :]:
                    self._links[step_s] = left
                else:
                    self._links.pop(step_s, None)

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


def _step(at_s: float) -> float:
    """The begin of the step of time in which this is."""
    return at_s // STEP_S * STEP_S
