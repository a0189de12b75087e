"""When a rule says something: raised after its time, over once, no cause more than once a minute,
nothing in quiet hours but a summary after them. Pure.

What was told is compared with what is so. So a cause that comes and goes is told as it is once its
minute is over, and a restart of the observer neither repeats nor forgets.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from datetime import UTC, datetime, time, tzinfo

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.alerts.causes import Wholes
from fleetctl.health.same_problem import LASTED_S, one_link
from fleetctl.model.alerts import SCHEMA, AlertRule, Cause, Message, MessageState
from fleetctl.quantities import count, duration

PAUSE_S = 60.0
"""Between two messages about one cause."""
TOGETHER_S = 10.0
"""Between two messages of one kind: what comes meanwhile is told together."""
SAME_RUN_S = 5.0
"""When a run began is told by its tmux window, and to a second by its supervisor without one."""
MOST_CAUSES = 20
"""In one message; more are counted."""
FAILURES = frozenset({"job-failed", "rank-lost"})
"""What does not come and go by itself: after it was over it is another one, and told as such."""
MOST_HELD = 200
"""Causes that are kept for the summary after quiet hours; more are counted."""


class Open(Struct):
    """A cause that is there, or was told lately."""

    cause: Cause
    since: datetime
    """Since when it is there without a break."""
    there: bool | None = True
    """None: that is not known any more."""
    told: bool = False
    """Whether the last message said that it is there."""
    again: bool = False
    """Whether it was over since, and is there as another one, of which nothing was told."""
    sent: datetime | None = None


class Rule(Struct):
    """What one rule said, and has to say."""

    open: dict[str, Open] = {}
    sent: dict[str, datetime] = {}
    """By kind: when there was the last message of it."""
    held: list[Cause] = []
    """In quiet hours; each once, with ``until`` if it was over meanwhile."""
    held_more: int = 0
    newest: datetime | None = None
    """When there was the last message."""


def fold(
    rule: AlertRule,
    state: Rule,
    found: Iterable[Cause],
    over: Callable[[Cause], bool],
    now: tuple[datetime, time],
) -> Iterator[tuple[MessageState, list[Cause], int]]:
    """Take one look, and yield what is to be sent: its state, its causes, how many more.

    :param found: the causes in it that the rule takes.
    :param over: whether one that is not found is over.
    :param now: the moment of the look, and what the clock shows at the observer.
    """
    at, clock = now
    _take(rule, state, _by_key(state, tuple(found)), over, at)
    due = list(_due(rule, state, at))
    quiet = rule.quiet is not None and rule.quiet.holds(clock)
    if quiet:
        for cause in due:
            _hold(state, cause)
    elif state.held:
        held, more = state.held, state.held_more
        state.held, state.held_more = [], 0
        for cause in due:
            held = [one for one in held if one.key != cause.key] + [cause]
        yield "summary", held[:MOST_CAUSES], more + max(0, len(held) - MOST_CAUSES)
    else:
        yield from _by_kind(due)
    if due and not quiet:
        state.newest = at


def _by_key(state: Rule, found: Collection[Cause]) -> dict[str, Cause]:
    keys = {cause.key for cause in found}
    return {_key(state, cause, keys): cause for cause in found}


def _key(state: Rule, cause: Cause, keys: Set[str]) -> str:
    """That of ``cause``; or of the same run as it was told before; or of a bad link that was told
    at another end, and is found there no more.

    :param keys: of all that is found.
    """
    for key, entry in state.open.items():
        known = entry.cause
        if known.kind != cause.kind:
            continue
        if cause.kind == "link-worse" and cause.key not in state.open:
            ends = (known.node, known.affects), (cause.node, cause.affects)
            if entry.there is not False and key not in keys and one_link(*ends):
                return key
        if cause.begun is None or known.begun is None or known.subject != cause.subject:
            continue
        if abs((known.begun - cause.begun).total_seconds()) <= SAME_RUN_S:
            return key
    return cause.key


def _take(
    rule: AlertRule,
    state: Rule,
    found: Mapping[str, Cause],
    over: Callable[[Cause], bool],
    at: datetime,
) -> None:
    """Bring what is open up to date."""
    for key, cause in found.items():
        if key not in state.open:
            state.open[key] = Open(cause, at)
            continue
        entry = state.open[key]
        if entry.there is False and (not entry.told or cause.kind in FAILURES):
            entry.since, entry.cause, entry.again = at, cause, entry.told
        if not entry.told or entry.again:  # else it stays as it was told
            before = entry.cause
            event = before.event or cause.event
            entry.cause = replace(cause, since=before.since, event=event, begun=before.begun)
        entry.there = True
    for key, entry in list(state.open.items()):
        if key in found:
            continue
        dropped = entry.cause.kind not in rule.on
        if dropped or over(entry.cause):
            entry.there = entry.again = False
            if not entry.told or dropped or entry.cause.kind == "run-done":
                entry.told = False
                if entry.sent is None or _elapsed_s(entry.sent, at) >= PAUSE_S:
                    del state.open[key]
        elif entry.told:
            entry.there = None
        else:
            entry.since = at  # it is not known to go on


def _due(rule: AlertRule, state: Rule, at: datetime) -> Iterator[Cause]:
    """What has to be told now; it then counts as told. One kind is told together."""
    wholes = Wholes(entry.cause for entry in state.open.values() if entry.there is not False)
    ready: dict[str, list[Open]] = {}
    for entry in state.open.values():
        if entry.sent is not None and _elapsed_s(entry.sent, at) < PAUSE_S:
            continue
        if entry.told and entry.there is False:
            ready.setdefault(f"over {entry.cause.kind}", []).append(entry)
        elif (not entry.told or entry.again) and entry.there and not wholes.cover(entry.cause):
            wait_s = max(rule.for_s, LASTED_S.get(entry.cause.code, 0.0))
            wait_s = 0.0 if entry.cause.kind == "run-done" else wait_s
            if _elapsed_s(entry.since, at) >= wait_s:
                ready.setdefault(entry.cause.kind, []).append(entry)
    for kind, entries in ready.items():
        if kind in state.sent and _elapsed_s(state.sent[kind], at) < TOGETHER_S:
            continue
        state.sent[kind] = at
        for entry in entries:
            entry.told, entry.again, entry.sent = bool(entry.there), False, at
            yield entry.cause if entry.there else replace(entry.cause, until=at)


def _elapsed_s(since: datetime, at: datetime) -> float:
    """A clock that was set back makes nothing wait for ever."""
    elapsed_s = (at - since).total_seconds()
    return elapsed_s if elapsed_s >= 0 else PAUSE_S * 60


def _hold(state: Rule, cause: Cause) -> None:
    """Keep it for the summary, in place of what was kept of it before."""
    state.held = [one for one in state.held if one.key != cause.key]
    if len(state.held) < MOST_HELD:
        state.held.append(cause)
    else:
        state.held_more += 1


def _by_kind(due: Iterable[Cause]) -> Iterator[tuple[MessageState, list[Cause], int]]:
    kinds: dict[tuple[str, MessageState], list[Cause]] = {}
    for cause in due:
        state: MessageState = "over" if cause.until else "raised"
        kinds.setdefault((cause.kind, state), []).append(cause)
    for (_, state), causes in kinds.items():
        yield state, causes[:MOST_CAUSES], max(0, len(causes) - MOST_CAUSES)


# the message


def message(
    fleet: str,
    rule: AlertRule,
    said: tuple[MessageState, list[Cause], int],
    at: datetime,
    zone: tzinfo | None = UTC,
) -> Message:
    """What is sent.

    :param zone: of the machine that watches: a summary says when something began.
    """
    state, causes, more = said
    shown = zone if state == "summary" else None
    lines = [line for cause in causes for line in _lines(cause, shown)]
    if more:
        lines.append(f"and {more} more: fleetctl status")
    first = causes[0]
    if state == "summary":
        hours = f" ({rule.quiet})" if rule.quiet else ""
        what = f"{count(len(causes) + more, 'alert')} in quiet hours{hours}"
    else:
        of = first.subject if len(causes) + more == 1 else f"of {len(causes) + more}"
        what = f"{first.kind} {of}{' is over' if state == 'over' else ''}"
    title = f"{fleet}: {what}"
    return Message(
        SCHEMA, fleet, rule.name, state, at, title, "\n".join(lines), tuple(causes), more
    )


def _lines(cause: Cause, zone: tzinfo | None) -> Iterator[str]:
    began = f"{cause.since.astimezone(zone):%H:%M}" if zone else ""
    if cause.until:
        of = f" (it began at {began})" if began else ""
        yield f"Over after {duration(_elapsed_s(cause.since, cause.until))}{of}: {cause.text}"
        return
    yield f"Since {began}: {cause.text}" if began else cause.text
    if cause.do:
        yield f"  {'; '.join(cause.do)}"


def repeated(message: Message, why: str) -> Message:
    """``message``, which may have been sent before.

    :param why: as a clause.
    """
    if message.may_repeat:
        return message
    text = f"{message.text}\nThis may have been sent before: {why}."
    return replace(message, text=text, may_repeat=True)


def test_message(fleet: str, rule: AlertRule, at: datetime) -> Message:
    """What ``fleetctl alerts test`` sends."""
    kinds = ", ".join(rule.on)
    text = f"This is a test of alerts. Rule {rule.name} sends here: {kinds}."
    return Message(SCHEMA, fleet, rule.name, "test", at, f"{fleet}: test", text)
