"""Events that may still change: one cause is one event, though it is seen in steps. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from fleetctl.model.events import Event

KEPT = 1000
"""So many of the newest events can still change."""


class Book:
    """The newest events by key, and which of them are new or changed since the last look."""

    def __init__(self) -> None:
        self._events: dict[str, Event] = {}
        self._silent: set[str] = set()
        """Of what was so when the watch began: told once it is over."""
        self._new: dict[str, Event] = {}
        self._unsaid: dict[str, Event] = {}

    def __getitem__(self, key: str) -> Event:
        return self._events[key]

    def __contains__(self, key: str) -> bool:
        return key in self._events

    def begin(self, event: Event, *, silent: bool = False, known: bool = False) -> str:
        """Something happened; returns its key.

        :param silent: it is told only if it changes, or once it is over.
        :param known: it was told already.
        """
        key = event.key or f"{event.kind} {event.about} {event.code} {event.at.isoformat()}"
        self._events[key] = replace(event, key=key)
        if silent:
            self._silent.add(key)
            self._unsaid[key] = self._events[key]
        elif not known:
            self._new[key] = self._events[key]
        while len(self._events) > KEPT:
            oldest = next(iter(self._events))
            del self._events[oldest]
            self._silent.discard(oldest)
        return key

    def amend(self, key: str, **changes: Any) -> None:
        """It is known better now."""
        if key not in self._events:
            return
        event = replace(self._events[key], **changes)
        if event != self._events[key]:
            self._events[key] = event
            if key not in self._silent:
                self._new[key] = event

    def join(self, key: str, name: str) -> None:
        """``name`` changed by it, too."""
        if key in self._events and name not in self._events[key].affects:
            self.amend(key, affects=(*self._events[key].affects, name))

    def end(self, key: str, at: datetime, how: str, **changes: Any) -> None:
        """What began with it is over."""
        self._silent.discard(key)
        self.amend(key, until=at, end=how, **changes)

    def drain(self) -> tuple[Event, ...]:
        """What is new or changed since the last call, in order."""
        new, self._new = self._new, {}
        return tuple(new.values())

    def drain_unsaid(self) -> tuple[Event, ...]:
        """What was so when the watch began, once."""
        unsaid, self._unsaid = self._unsaid, {}
        return tuple(unsaid.values())
