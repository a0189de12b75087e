"""What a controller did, as it is noted on each node that it touched.

A note is a line of JSON: the fields of :class:`Note`, and ``node_s``, the node's clock when it was
written, in whole seconds since 1970. An action has one id on all nodes, so that all that is noted
of it is one event, whoever reads it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from fleetctl.model.events import Actor, Event
from fleetctl.quantities import count

NAMES = 40
"""So many instances of a node are named in a note."""
SAME_CLOCK_S = 5.0
"""A controller's time that is not further from that by the node's clock is as good or better."""
LOST_AFTER = timedelta(hours=1)
"""An action of which no end is noted for so long has lost its controller, or its node."""
MOMENTS = frozenset({"exec"})
"""Actions of which only the begin is noted."""


class Ending(Struct, frozen=True, omit_defaults=True):
    """How an action ended."""

    at: datetime
    state: str
    """``ok``, ``failed``, or ``stopped``: its controller no longer waited for it."""
    said: str = ""


class Note(Struct, frozen=True, omit_defaults=True):
    """An action, as one node has it noted."""

    id: str
    at: datetime
    """When it began, by the controller's clock."""
    action: str
    """Such as ``start``."""
    by: Actor
    job: str = ""
    instances: tuple[str, ...] = ()
    """Those of this node that it is about; empty: it is about the node."""
    end: Ending | None = None
    sent: datetime | None = None
    """When it was sent to the node, by the controller's clock; None: as soon as it happened."""


class Told(Struct, frozen=True):
    """What one node has noted."""

    notes: tuple[Note, ...] = ()
    """Times are by the clock of the controller that asked."""
    size: str = ""
    """Stands for what is there: while it is the same, nothing was noted."""
    error: str = ""
    """Why it could not be asked; empty: it could."""
    same: bool = False
    """Nothing is new since ``size``, so the notes were not read."""


class _Written(Note, frozen=True):
    node_s: int = 0


def read_note(line: str, ahead_s: float) -> Note | None:
    """A line on a node; None: it is none, or was torn.

    :param ahead_s: by how much the node's clock is before the one of the controller that asks.
    """
    try:
        note = msgspec.json.decode(line, type=_Written)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    if note.at.tzinfo is None or (note.end and note.end.at.tzinfo is None):
        return None
    written = note.sent or (note.end.at if note.end else note.at)
    try:
        off = datetime.fromtimestamp(note.node_s - ahead_s, UTC) - written
    except (OverflowError, OSError, ValueError, TypeError):
        return None
    if abs(off.total_seconds()) <= SAME_CLOCK_S:
        off = timedelta()
    try:
        end = note.end and replace(note.end, at=note.end.at + off)
        at = note.at + off
    except OverflowError:
        return None
    return Note(note.id, at, note.action, note.by, note.job, note.instances, end)


def action_key(note_id: str) -> str:
    """The key of the event of an action."""
    return f"action {note_id}"


def events_of(told: Mapping[str, Iterable[Note]], now: datetime) -> list[Event]:
    """One event for each action, oldest first.

    :param told: by node.
    """
    found: dict[str, dict[str, list[Note]]] = {}
    for node, notes in told.items():
        for note in notes:
            found.setdefault(note.id, {}).setdefault(node, []).append(note)
    return sorted((_event(by_node, now) for by_node in found.values()), key=lambda e: e.at)


def _event(by_node: Mapping[str, list[Note]], now: datetime) -> Event:
    notes = [note for several in by_node.values() for note in several]
    firsts = [(min(note.at for note in several), node) for node, several in by_node.items()]
    # the time in the middle: a node's clock may have been set since, and its own is then wrong
    _, node = sorted(firsts)[(len(firsts) - 1) // 2]
    first = min(by_node[node], key=lambda note: note.at)
    ends = [note.end for note in by_node[node] if note.end]
    ends = ends or [note.end for note in notes if note.end]
    end = max(ends, key=lambda one: one.at) if ends else None
    instances = tuple(dict.fromkeys(name for note in notes for name in note.instances))
    state = end.state if end else _without_end(first, now)
    return Event(
        first.at,
        state,
        _text(first, tuple(by_node), instances, end, state),
        "action",
        _subject(first.job, tuple(by_node), instances),
        node=next(iter(by_node)) if len(by_node) == 1 else None,
        job=first.job or None,
        by=first.by,
        until=end.at if end else None,
        key=action_key(first.id),
        affects=(*by_node, *instances),
        action=first.action,
    )


def _without_end(note: Note, now: datetime) -> str:
    if note.action in MOMENTS:
        return "done"
    return "starting" if now - note.at < LOST_AFTER else "unknown"


def _subject(job: str | None, nodes: tuple[str, ...], instances: tuple[str, ...]) -> str:
    if len(instances) == 1:
        return instances[0]
    if job and (instances or len(nodes) > 1):
        return job
    return nodes[0] if len(nodes) == 1 else ""


def _text(
    note: Note,
    nodes: tuple[str, ...],
    instances: tuple[str, ...],
    end: Ending | None,
    state: str,
) -> str:
    named = _named(note.action, note.job, nodes, instances)
    if end:
        return f"{named}: {end.said or end.state}"
    return f"{named}: how it ended is not known" if state == "unknown" else named


def _named(action: str, job: str, nodes: tuple[str, ...], instances: tuple[str, ...]) -> str:
    many = count(len(instances), "instance") if instances else count(len(nodes), "node")
    where = instances[0] if len(instances) == 1 else many
    if not instances and len(nodes) == 1:
        where = nodes[0]
    return f"{action} of {job}, {where}" if job and len(instances) > 1 else f"{action}, {where}"


def joined(old: Event, new: Event) -> Event:
    """Both of one action, told by different nodes or at different times: it is of all these."""
    ended = new if new.until or not old.until else old
    nodes, instances = _places(old.affects, new.affects)
    said = ended.text.removeprefix(_of(ended))
    whole = replace(ended, affects=(*nodes, *instances), at=min(old.at, new.at))
    return replace(
        whole,
        text=_of(whole) + said,
        subject=_subject(whole.job, nodes, instances),
        node=nodes[0] if len(nodes) == 1 else None,
    )


def _of(action: Event) -> str:
    """What its text begins with."""
    return _named(action.action, action.job or "", *_places(action.affects))


def _places(*affects: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The nodes and the instances in them."""
    names = tuple(dict.fromkeys(name for several in affects for name in several))
    return tuple(n for n in names if "@" not in n), tuple(n for n in names if "@" in n)


def outcome(states: Iterable[str]) -> str:
    """How several came out: "2 sent, 1 failed"."""
    return ", ".join(f"{many} {word}" for word, many in Counter(states).items())
