"""What changed of instances: one event for a cause, with an end, and who asked for it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from msgspec.structs import replace

from fleetctl.health.event_book import Book
from fleetctl.model.events import Event
from fleetctl.model.status import FleetStatus, ServiceStatus

SOON = timedelta(seconds=15)
"""What changes so soon after the end of an action may have come of it."""
ACTIONS_KEPT = 200
BEGINS = ("start", "restart")
ENDS = ("stop", "restart")
_RISING = ("waiting", "starting", "running")
_DOWN = ("stopped", "exited", "failed")


class InstanceChanges:
    """States of the instances of one job, as far as they are known.

    :param book: of all events.
    """

    def __init__(self, book: Book, job: str | None) -> None:
        self._book = book
        self._job = job
        self._shared: frozenset[str] = frozenset()
        self._known: dict[str, ServiceStatus] = {}
        """The last state of each that was known."""
        self._rising: dict[str, str] = {}
        """The key of the event of a start that goes on; empty: its action tells it."""
        self._down: dict[str, str] = {}
        """The key of the event of one that is not as it should be."""
        self._unknown: dict[str, str] = {}
        self._actions: dict[str, Event] = {}
        self._unasked: dict[str, str] = {}
        """By key of an event of which it is not known who asked for it: the instance."""
        self.newest: dict[str, str] = {}
        """By instance: the key of the event that tells how it is."""

    def look(
        self,
        status: FleetStatus,
        before: FleetStatus | None,
        lost: Mapping[str, str],
        restarted: Mapping[str, tuple[str, datetime]],
        shared: frozenset[str] = frozenset(),
    ) -> None:
        """
        :param lost: by node that cannot be reached: the key of its event.
        :param restarted: by node: the key of the event, and when it was seen.
        :param shared: names that instances of other jobs have, too.
        """
        self._shared = shared
        for name, now in status.services.items():
            if now.state == "unknown":
                self._not_known(name, now, status, before, lost)
                continue
            if key := self._unknown.pop(name, ""):
                self._book.end(key, status.generated_at, f"known again: {now.state}")
            was = self._known.get(name)
            self._known[name] = now
            if was is not None:
                root = restarted.get(now.node)
                if root and status.generated_at - root[1] <= 4 * SOON and _broke(was, now):
                    self._book.join(root[0], self.named(name))
                    self._down[name] = self.newest[name] = root[0]
                    continue
                self._changed(name, was, now, status)
            elif before and name in before.services and now.state == "failed":
                self._fell(name, now, now, status)  # it was not asked before

    def named(self, name: str) -> str:
        """How an instance is called."""
        return f"{self._job}/{name}" if name in self._shared else name

    def _not_known(
        self,
        name: str,
        now: ServiceStatus,
        status: FleetStatus,
        before: FleetStatus | None,
        lost: Mapping[str, str],
    ) -> None:
        if name not in self._known or name in self._unknown:
            return
        if key := lost.get(now.node):
            self._book.join(key, self.named(name))
        elif before and name in before.services:
            text = f"{self.named(name)}: its state is not known{_why(now)}"
            self._unknown[name] = self._tell(name, "unknown", text, now, status)

    def _changed(
        self, name: str, was: ServiceStatus, now: ServiceStatus, status: FleetStatus
    ) -> None:
        anew = _began_anew(was, now)
        if was.state == now.state and was.restarts == now.restarts and not anew:
            if now.state == "failed" and now.reason and now.reason != was.reason:
                self._known_better(name, was, now)
            return
        if now.state == "ready":
            self._ready(name, was, now, status)
        elif now.state in _RISING:
            if name in self._rising or (name in self._down and was.state not in _DOWN):
                return
            if was.state in _DOWN or anew:
                self._rises(name, now, status)
            elif now.state == "running" and was.state in ("ready", "unhealthy"):
                self._fell(name, was, now, status)
        elif now.state == "stopped":
            self._stopped(name, was, now, status)
        elif now.state == "exited":
            self._ended(name, now, status)
        else:
            self._fell(name, was, now, status)

    def _rises(self, name: str, now: ServiceStatus, status: FleetStatus) -> None:
        asked = self._asked(name, status.generated_at, BEGINS)
        if asked is None:
            key = self._tell(name, now.state, f"{self.named(name)} is {now.state}", now, status)
            self._unasked[key] = name
        self._rising[name] = key if asked is None else ""

    def _ready(
        self, name: str, was: ServiceStatus, now: ServiceStatus, status: FleetStatus
    ) -> None:
        at = status.generated_at
        rising, down = self._rising.pop(name, None), self._down.pop(name, None)
        again = now.restarts - was.restarts
        if down and down in self._book and self._book[down].until is None:
            if self._book[down].subject == name and not rising:
                restarts = f", restart {now.restarts}" if now.restarts else ""
                self._book.end(down, at, f"ready again{restarts}")
                return
            if self._book[down].subject == name:
                self._book.end(down, at, "ready again")
        if was.state == "ready" and again > 0:  # too quick to be seen
            text = f"{self.named(name)} ended and was restarted{_why(now)}"
            begun = now.started_at or at
            key = self._tell(name, "restarting", text, now, status, at=min(begun, at))
            self._book.end(key, at, f"ready again, restart {now.restarts}")
            return
        asked = self._asked(name, at, BEGINS)
        text = f"{self.named(name)} is ready{_why(now)}"
        if rising and rising in self._book:
            event = self._book[rising]
            self._book.amend(rising, state="ready", text=text, at=at, by=event.by, part_of="")
            return
        key = self._tell(name, "ready", text, now, status, by=asked)
        if asked is None:
            self._unasked[key] = name

    def _stopped(
        self, name: str, was: ServiceStatus, now: ServiceStatus, status: FleetStatus
    ) -> None:
        at = status.generated_at
        self._rising.pop(name, None)
        down = self._down.pop(name, "")
        asked = self._asked(name, at, ENDS)
        if down and down in self._book and self._book[down].subject == name:
            self._book.end(down, at, "stopped")
        elif was.state == "waiting":
            return  # it did not run, and is only no longer waited for
        elif asked is None and not self._joins_first(name, now):
            text = f"{self.named(name)} is stopped{_why(now)}"
            key = self._tell(name, "stopped", text, now, status)
            self._unasked[key] = name

    def _ended(self, name: str, now: ServiceStatus, status: FleetStatus) -> None:
        self._rising.pop(name, None)
        down = self._down.pop(name, "")
        text = f"{self.named(name)} {'is done' if now.done else 'ended with exit code 0'}"
        at = now.ended_at or status.generated_at
        key = self._tell(name, now.word, text, now, status, at=min(at, status.generated_at))
        if down and down in self._book and self._book[down].subject == name:
            self._book.end(down, status.generated_at, "ended with exit code 0")
        self.newest[name] = key

    def _fell(self, name: str, was: ServiceStatus, now: ServiceStatus, status: FleetStatus) -> None:
        """It is not as it should be: unhealthy, restarting, failed, or no longer ready."""
        self._rising.pop(name, None)
        if self._joins_first(name, now):
            return
        again = f", restart {now.restarts}" if now.restarts > was.restarts else ""
        text = f"{self.named(name)} is {now.state}{again}{_why(now)}"
        down = self._down.get(name, "")
        if down in self._book and self._book[down].subject == name:
            self._book.amend(down, state=now.state, text=text, cause=now.reason or "")
            return
        at = status.generated_at
        if now.ended_at and timedelta() <= at - now.ended_at <= 4 * SOON:
            at = now.ended_at
        asked = self._asked(name, at, ("signal",))
        key = self._tell(name, now.state, text, now, status, by=asked, at=at)
        self._down[name] = key
        if asked is None:
            self._unasked[key] = name

    def _known_better(self, name: str, was: ServiceStatus, now: ServiceStatus) -> None:
        """Such as that a process of it, which the first look still found, has ended, too."""
        key = self._down.get(name, "")
        if key in self._book and self._book[key].subject == name:
            text = self._book[key].text.removesuffix(_why(was)) + _why(now)
            self._book.amend(key, text=text, cause=now.reason)

    def _joins_first(self, name: str, now: ServiceStatus) -> bool:
        """Whether it was ended because another one of its job had failed, and that is told."""
        if not (now.reason and "on_member_failure" in now.reason):
            return False
        for first, key in self._down.items():
            if first != name and first in now.reason and key in self._book:
                self._book.join(key, self.named(name))
                self._down[name] = self.newest[name] = key
                return True
        return False

    def _tell(
        self,
        name: str,
        state: str,
        text: str,
        now: ServiceStatus,
        status: FleetStatus,
        *,
        by: Event | None = None,
        at: datetime | None = None,
    ) -> str:
        event = Event(
            at or status.generated_at,
            state,
            text,
            "instance",
            name,
            node=now.node,
            job=status.job,
            cause=now.reason or (by.action if by else ""),
            by=by.by if by else None,
        )
        key = f"instance {self.named(name)} {state} {event.at.isoformat()}"
        self.newest[name] = self._book.begin(replace(event, key=key))
        return key

    # who asked for it

    def heard(self, actions: Collection[Event]) -> None:
        """Actions of controllers, in any order; they may have been told before."""
        for action in actions:
            if action.job in (None, self._job):
                self._actions[action.key] = action
        while len(self._actions) > ACTIONS_KEPT:
            del self._actions[min(self._actions, key=lambda key: self._actions[key].at)]
        for key, name in list(self._unasked.items()):
            if key not in self._book:
                del self._unasked[key]
                continue
            event = self._book[key]
            kinds = {"stopped": ENDS, "failed": ("signal",), "restarting": ("signal",)}
            asked = self._asked(name, event.at, kinds.get(event.state, BEGINS))
            if asked is None:
                continue
            del self._unasked[key]
            told = event.state in (*_RISING, "stopped")  # by the action itself
            self._book.amend(
                key,
                by=asked.by,
                cause=event.cause or asked.action,
                part_of=asked.key if told else "",
            )

    @property
    def asks(self) -> bool:
        """Whether it is not known of something new who asked for it."""
        return bool(self._unasked)

    def _asked(self, name: str, at: datetime, kinds: Collection[str]) -> Event | None:
        """The newest action that ``name`` may have changed by at that time."""
        found = [
            action
            for action in self._actions.values()
            if action.action.partition(" ")[0] in kinds
            and name in action.affects
            and action.at - SOON / 5 <= at <= (action.until or at) + SOON
        ]
        return max(found, key=lambda action: action.at, default=None)

    # what an earlier watch told

    def adopt(self, event: Event, status: FleetStatus) -> bool:
        """Go on with an event that has no end yet; whether it goes on."""
        now = status.services.get(event.subject)
        if now is None or now.state == "unknown":
            return True
        if now.state not in ("failed", "restarting", "unhealthy"):
            return False
        key = self._book.begin(event, known=True)
        self._down[event.subject] = self.newest[event.subject] = key
        return True


def _why(now: ServiceStatus) -> str:
    return f": {now.reason}" if now.reason else ""


def _broke(was: ServiceStatus, now: ServiceStatus) -> bool:
    return was.state != "failed" and now.state == "failed" and now.exit_code is None


def _began_anew(was: ServiceStatus, now: ServiceStatus) -> bool:
    """Whether it was started again between two looks."""
    if was.started_at is None or now.started_at is None or was.restarts != now.restarts:
        return False
    return now.started_at - was.started_at > timedelta(seconds=1)
