"""What changed from look to look, as events: one cause is one event. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from msgspec.structs import replace

from fleetctl.health.all_jobs import shared_names
from fleetctl.health.event_book import Book
from fleetctl.health.instance_changes import InstanceChanges
from fleetctl.health.way_changes import WayChanges
from fleetctl.model.actions import joined
from fleetctl.model.events import Event
from fleetctl.model.status import FleetStatus

UNWATCHED = timedelta(seconds=60)
"""Where no status came for so long, nobody watched in between."""
WAKING = timedelta(seconds=20)
"""After that, for so long, a node that is not reached may still be connected to anew."""
_GOES_ON = frozenset(
    {"unreachable", "error", "warning", "failed", "restarting", "unhealthy", "unknown"}
)
"""States of events that are over one day."""


class Changes:
    """Folds the statuses of one watch into events.

    An event that is known better later, or is over, comes again with the same key. What was so when
    the watch began is no change, and told only once it is over. What is not known is neither over
    nor a change. Actions of controllers, and what came of them, are told as one. A machine that
    slept has lost all its connections: that is one event, and none for each node.
    """

    def __init__(self) -> None:
        self._book = Book()
        self._ways = WayChanges(self._book)
        self._instances: dict[str, InstanceChanges] = {}
        """By job."""
        self._before: FleetStatus | None = None
        self._actions: dict[str, Event] = {}
        self._open: list[Event] = []
        self._newest: datetime | None = None
        """When the last status came."""
        self._woken: datetime | None = None

    def go_on_with(self, events: Iterable[Event]) -> None:
        """What an earlier watch told, before the first look: some of it may still go on."""
        self._open = [
            e
            for e in events
            if e.until is None and not e.part_of and e.kind != "action" and e.state in _GOES_ON
        ]

    def look(self, status: FleetStatus) -> tuple[Event, ...]:
        """Take the next status; what is new, or known better."""
        self._wake(status.generated_at)
        if self._is_waking(status):
            return self._book.drain()
        before = self._before
        if before is not None and before.job != status.job:
            before = self._before = None
            self._instances = {}
        for job in status.asked_jobs.keys() - self._instances.keys():
            self._instances[job] = InstanceChanges(self._book, job)
            self._instances[job].heard(self._actions.values())
        if before is None:
            self._adopt(status)
        self._ways.look_at_nodes(status, before)
        self._ways.look_at_problems(status, before, self._look_at_instances(status, before))
        self._before = status
        return self._book.drain()

    def _look_at_instances(self, status: FleetStatus, before: FleetStatus | None) -> dict[str, str]:
        """By instance, of all jobs: the key of the event that tells how it is."""
        shared = shared_names(status.asked_jobs)
        newest = {}
        for job in status.asked_jobs:
            part = self._instances[job]
            was = _of_job(before, job) if before else None
            part.look(_of_job(status, job), was, self._ways.lost, self._ways.restarted, shared)
            newest.update({part.named(name): key for name, key in part.newest.items()})
        return newest

    def _wake(self, at: datetime) -> None:
        """Tell of the time without a look before ``at``, if it was long."""
        slept_from, self._newest = self._newest, at
        if slept_from is not None and at - slept_from > UNWATCHED:
            self._woken = at
            text = "nobody watched: this machine slept, or fleetctl was held up"
            key = self._book.begin(Event(slept_from, "unknown", text))
            self._book.end(key, at, "watched again")

    def _is_waking(self, status: FleetStatus) -> bool:
        """Whether it is too early to judge: nodes that were reached before are not yet again."""
        before, at = self._before, status.generated_at
        if before is None or self._woken is None or not timedelta() <= at - self._woken <= WAKING:
            return False
        return any(
            node.state == "unreachable" and before.nodes[name].state != "unreachable"
            for name, node in status.nodes.items()
            if name in before.nodes
        )

    def _adopt(self, status: FleetStatus) -> None:
        adopted, self._open = self._open, []
        for event in adopted:
            if event.kind != "instance":
                goes_on = self._ways.adopt(event, status)
            elif part := self._instances.get(event.job or ""):
                goes_on = part.adopt(event, _of_job(status, event.job or ""))
            else:
                continue
            if not goes_on:
                key = self._book.begin(event, known=True)
                how = "reached again" if event.kind == "node" else "over"
                self._book.end(key, status.generated_at, f"{how} by the next watch")

    def heard(self, actions: Collection[Event]) -> tuple[Event, ...]:
        """Take actions of controllers; what is new, or known better."""
        new = []
        for action in actions:
            known = self._actions.get(action.key)
            now = joined(known, action) if known else action
            if now != known:
                self._actions[action.key] = now
                new.append(now)
        while len(self._actions) > 2000:
            del self._actions[next(iter(self._actions))]
        for part in self._instances.values():
            part.heard(new)
        return (*new, *self._book.drain())

    def adopted(self) -> tuple[Event, ...]:
        """What was so already at the first look, to be kept and not told; each once."""
        return self._book.drain_unsaid()

    @property
    def asks(self) -> bool:
        """Whether it is not known of something new who asked for it."""
        return any(part.asks for part in self._instances.values())


def _of_job(status: FleetStatus, job: str) -> FleetStatus:
    """The status with ``job`` as the chosen one."""
    if status.job == job:
        return status
    known = status.jobs.get(job)
    return replace(status, job=job, services=known.services if known else {})
