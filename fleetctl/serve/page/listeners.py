"""Events for clients that listen, as server-sent events (HTML Standard, "Server-sent events").

An id is the time of an event and a digest of its key. A client that comes back with the last one
it saw is sent first what the history has since then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from hashlib import sha256

from fleetctl.errors import FleetctlError
from fleetctl.history.event_json import event_json
from fleetctl.history.store import Store, key_of
from fleetctl.model.events import Event
from fleetctl.words.events import told

MOST = 32
"""Clients at once."""
MOST_WAITING = 256
"""Events that a client may be behind; then it is cut off, and can come back with its last id."""
MOST_PAST = 1000
"""Past events that one is sent at most; the newest."""


class Listeners:
    """All clients that listen."""

    def __init__(self) -> None:
        self._all: set[Listener] = set()

    def take(self, events: Iterable[Event]) -> None:
        """Events that are new; those that are told with another one are not sent."""
        for event in told(events):
            for listener in self._all:
                listener.put(event)

    def begin(self) -> Listener | None:
        """A client that comes; None: there are too many."""
        if len(self._all) >= MOST:
            return None
        listener = Listener()
        self._all.add(listener)
        return listener

    def end(self, listener: Listener) -> None:
        self._all.discard(listener)


class Listener:
    """What waits for one client."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Event] = asyncio.Queue(MOST_WAITING)
        self.behind = False
        """Events are missing from here on."""

    def put(self, event: Event) -> None:
        if self.behind:
            return
        try:
            self._waiting.put_nowait(event)
        except asyncio.QueueFull:
            self.behind = True

    async def next(self, timeout_s: float) -> Event | None:
        """The next one; None: none came within ``timeout_s``, or it is too far behind."""
        if self.behind and self._waiting.empty():
            return None
        try:
            async with asyncio.timeout(timeout_s):
                return await self._waiting.get()
        except TimeoutError:
            return None


def id_of(event: Event) -> str:
    """By which a client names the last one that it saw."""
    micros = round(event.at.timestamp() * 1e6)
    return f"{micros}-{sha256(key_of(event).encode()).hexdigest()[:12]}"


def since(last: str) -> datetime | None:
    """The time in an id; None: it is none."""
    micros = last.partition("-")[0]
    if not (micros.isascii() and micros.isdecimal()):
        return None
    try:
        return datetime.fromtimestamp(int(micros) / 1e6, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def after(events: Sequence[Event], last: str) -> list[Event]:
    """Those of ``events``, which begin at the time of ``last``, that come after it; all, if it is
    not among them."""
    ordered = sorted(events, key=lambda event: (event.at, key_of(event)))
    for place, event in enumerate(ordered):
        if id_of(event) == last:
            return ordered[place + 1 :]
    return ordered


def past(fleet: str, last: str) -> tuple[list[Event], str]:
    """What the history has after the event ``last``, and what a client should know of it, or
    nothing. Blocks; for a thread."""
    begin = since(last)
    if begin is None:
        return [], f"{last[:40]!r} is no id of an event"
    try:
        store = Store(fleet, reading=True)
        try:
            found = store.events(begin, most=MOST_PAST + 1)
        finally:
            store.close()
    except FleetctlError as error:
        return [], f"what came meanwhile is not known: {error}"
    note = f"only the newest {MOST_PAST} follow" if len(found) > MOST_PAST else ""
    return told(after(found[-MOST_PAST:], last)), note


def frame(event: Event) -> bytes:
    """As it is sent."""
    return f"id: {id_of(event)}\ndata: ".encode() + event_json(event) + b"\n\n"


def comment(text: str) -> bytes:
    """What programs skip; also keeps the connection from being cut off as idle."""
    return f": {' '.join(text.split())}\n\n".encode()
