"""What happened while nobody watched: which nodes are asked what they noted, since when, and what
of it is entered into the history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from fleetctl.health.instance_changes import BEGINS, ENDS
from fleetctl.history.store import Store
from fleetctl.model.actions import SAME_CLOCK_S
from fleetctl.model.events import Event
from fleetctl.model.samples import Point, Series
from fleetctl.model.status import FleetStatus

LONGEST_DAYS = 30
"""What nodes noted longer ago is not asked for."""
SOON_S = 60.0
"""What happens between two looks is seen at the later one, if it comes so soon."""
SAME_CLOCK = timedelta(seconds=SAME_CLOCK_S)
_LONGEST_ACTION = timedelta(minutes=10)
"""Of one whose end is not known."""
_ENDED = ("exited", "failed")
_STRETCH_S = 600


class Missed:
    """Finds out, from status to status of one watch, which nodes were not heard for a while.

    It goes before :class:`fleetctl.recording.recorder.Recorder`, whose samples say until when they
    were.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._heard: dict[str, datetime] = {}
        self._lost: set[str] = set()

    def take(self, status: FleetStatus) -> Mapping[str, datetime]:
        """The nodes that answer for the first time in this watch, or again, each with the time
        since when it was not heard; each is told once.

        :raises HistoryError: the history cannot be read.
        """
        at = status.generated_at
        wanted: dict[str, datetime] = {}
        reached = {name for name, node in status.nodes.items() if node.ssh.reachable}
        if first := reached - self._heard.keys():
            wanted.update(unheard_since(self._store, first, at))
        for name in reached & self._heard.keys():
            slept = at - self._heard[name] > timedelta(seconds=SOON_S)
            if name in self._lost or slept:
                wanted[name] = self._heard[name]
        self._heard.update(dict.fromkeys(reached, at))
        self._lost = self._heard.keys() - reached
        return wanted

    def again(self, since: Mapping[str, datetime]) -> None:
        """Tell nodes of ``since``, which could not be asked, once more."""
        for name, at in since.items():
            self._heard[name] = at
            self._lost.add(name)


def unheard_since(store: Store, nodes: Iterable[str], now: datetime) -> Mapping[str, datetime]:
    """When each node was last reached by the history, to ten minutes; at most
    :data:`LONGEST_DAYS` ago.

    :raises HistoryError: it cannot be read.
    """
    first = now - timedelta(days=LONGEST_DAYS)
    points = store.points(
        first.timestamp(), now.timestamp(), kind="node", metrics={"reachable"}, step_s=_STRETCH_S
    )

    def since(name: str) -> datetime:
        heard = [p.at_s for p in points.get(Series("node", name, "reachable"), ()) if p.high > 0]
        return datetime.fromtimestamp(heard[-1], UTC) if heard else first

    return {name: since(name) for name in nodes}


def enter_past(store: Store, events: Sequence[Event]) -> tuple[Event, ...]:
    """Keep what nodes noted, but for begins and ends of instances that were seen as they happened.

    :returns: what is kept.
    :raises HistoryError: it cannot be read or written.
    """
    times = {e: e.at.timestamp() for e in events if _while_watched(store, e)}
    looks: Mapping[Series, Sequence[Point]] = {}
    if times:
        first, last = min(times.values()), max(times.values())
        looks = store.points(first - SOON_S, last + 2 * SOON_S, kind="instance", metrics={"ready"})

    def seen(event: Event) -> bool:
        points = looks.get(Series("instance", f"{event.job}/{event.subject}", "ready"), ())
        return event in times and _seen(points, times[event])

    kept = _with_actions(store, [event for event in events if not seen(event)])
    if kept:
        store.add_events(kept)
    return kept


def _with_actions(store: Store, events: Sequence[Event]) -> tuple[Event, ...]:
    """``events``, each begin and end that a controller asked for as a part of that action, as far
    as actions are known.

    :raises HistoryError: they cannot be read.
    """
    if not any(event.kind == "instance" for event in events):
        return tuple(events)
    first, last = min(event.at for event in events), max(event.at for event in events)
    known = store.events(first - _LONGEST_ACTION, last + SAME_CLOCK)
    actions = [event for event in known if event.kind == "action"]

    def joined(event: Event) -> Event:
        asked = next((action for action in actions if _asked_for(action, event)), None)
        return replace(event, part_of=asked.key, by=asked.by) if asked else event

    return tuple(map(joined, events))


def _asked_for(action: Event, event: Event) -> bool:
    kinds = BEGINS if event.state == "starting" else ENDS if event.state in _ENDED else ()
    if action.action not in kinds or action.job != event.job or event.subject not in action.affects:
        return False
    until = action.until or action.at + _LONGEST_ACTION
    return action.at - SAME_CLOCK <= event.at <= until + SAME_CLOCK


def _while_watched(store: Store, event: Event) -> bool:
    at_s = event.at.timestamp()
    return event.kind == "instance" and bool(store.watched(at_s, at_s))


def _seen(points: Sequence[Point], at_s: float) -> bool:
    """Whether there was a look not long before that time, and one not long after it."""
    before = any(p.at_s <= at_s < p.at_s + p.length_s + SOON_S for p in points)
    after = any(at_s < p.at_s <= at_s + SOON_S for p in points)
    return before and after
