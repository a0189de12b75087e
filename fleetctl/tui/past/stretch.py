"""A stretch of the past, read from the history, or from what the dashboard saw itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from fleetctl.history.store import HistoryError, Store
from fleetctl.model.events import Event
from fleetctl.model.samples import Point, Series, SeriesKind
from fleetctl.tui.past.memory import Memory

PARTS = 100
"""A stretch is read in about so many parts: it costs the same whether it is an hour or a week."""
MOST_EVENTS = 1000
GOES_ON = timedelta(days=7)
"""What began so long before may reach into it."""

Wanted = Mapping[SeriesKind, Collection[str]]
"""By kind: the metrics that a screen shows."""


class Stretch(Struct, frozen=True):
    """What is known of a stretch of time, in seconds since 1970."""

    since_s: float
    until_s: float
    points: Mapping[Series, Sequence[Point]] = {}
    events: Sequence[Event] = ()
    """Of the history alone, also those that began before; oldest first."""
    note: str = ""
    """Why not all of it can be known, in a few words; empty: it was read from the history."""

    def of(self, kind: SeriesKind, subject: str, metric: str) -> Sequence[Point]:
        """The points of one series, oldest first."""
        return self.points.get(Series(kind, subject, metric), ())


def read(
    store: Store | None, memory: Memory, since_s: float, until_s: float, wanted: Wanted
) -> Stretch:
    """Read a stretch; to be called in a thread. Without ``store``, or where that cannot be read, it
    is what ``memory`` has."""
    if store is not None:
        try:
            return _kept(store, since_s, until_s, wanted)
        except HistoryError as error:
            why = str(error)
    else:
        why = "not recorded here"
    begin = memory.since_s
    shown = "nothing was seen yet"
    if begin is not None:
        at = datetime.fromtimestamp(begin, UTC).astimezone()
        shown = f"only what was seen here since {at:%H:%M:%S}"
    points = memory.points(since_s, until_s, wanted)
    return Stretch(since_s, until_s, points, note=f"{why}: {shown}")


def _kept(store: Store, since_s: float, until_s: float, wanted: Wanted) -> Stretch:
    """:raises HistoryError: it cannot be read."""
    step_s = (until_s - since_s) / PARTS
    points: dict[Series, Sequence[Point]] = {}
    for kind, metrics in wanted.items():
        points.update(store.points(since_s, until_s, kind=kind, metrics=metrics, step_s=step_s))
    since, until = (datetime.fromtimestamp(at_s, UTC) for at_s in (since_s, until_s))
    events = store.events(since - GOES_ON, until, most=MOST_EVENTS)
    return Stretch(since_s, until_s, points, events)
