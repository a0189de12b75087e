"""Why an instance ended, as far as that was measured. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from fleetctl.health.assess import Checked
from fleetctl.model.events import Event
from fleetctl.postmortem.ends import Ended, boot_of
from fleetctl.postmortem.kernel import Kernel, Kill
from fleetctl.quantities import size
from fleetctl.words.exit_codes import signal_of

BEFORE_S = 120.0
"""How long before an end something may have been its cause."""
NEAR_KILL_S = 5.0
"""A kill of another process of an instance ends it within this time, as far as is usual."""
FULL_BYTES = 64 * 1024 * 1024
KILL, TERM, HUP, INT = 9, 15, 1, 2
_CRASHES = (4, 6, 7, 8, 11)
"""ILL, ABRT, BUS of Linux, FPE, SEGV."""
_ASKED = (TERM, HUP, INT)
_NO_ROOM = ("no space left on device", "disk quota exceeded", "the disk was full")
_NO_MEMORY = ("out of memory", "memoryerror", "cannot allocate memory", "std::bad_alloc")
_NO_PEER = (
    "connection reset", "connection refused", "connection closed", "broken pipe", "timed out",
    "timeout", "connectionerror", "no route to host", "unreachable", "peer", "eof",
)  # fmt: skip


def causes(
    end: Ended,
    checked: Checked,
    kernels: Mapping[str, Kernel | str],
    events: Sequence[Event],
    last: Sequence[str],
) -> tuple[str, ...]:
    """Why it ended, as clauses, the most certain first; what is not known is one of them.

    :param kernels: by node, or why that was not asked.
    :param last: its last lines before the end, without colours.
    """
    found = [
        *([end.why] if end.why else []),
        *_by_kernel(end, kernels.get(end.node, "it was not asked")),
        *_by_signal(end, events, checked.status.job),
        *_by_disk(end, checked, last),
        *_by_node(end, checked),
        *_by_events(end, events, checked.status.job),
        *_said(last),
    ]
    return tuple(dict.fromkeys(found))


def _by_kernel(end: Ended, kernel: Kernel | str) -> Iterator[str]:
    if signal_of(end.exit_code) != KILL and end.exit_code is not None:
        # what it had started may have been ended, such as a loader of data
        kill = None if end.done or isinstance(kernel, str) else _kill_of(end, kernel.kills)
        if kill:
            yield (
                f"the kernel of {end.node} ended process {kill.pid} ({kill.name}) of its node for "
                "lack of memory at that time"
            )
        return
    if isinstance(kernel, str):
        yield f"whether the kernel ended it for lack of memory is not known: {kernel}"
        return
    if kill := _kill_of(end, kernel.kills):
        who = "it" if kill.pid == end.pid else f"process {kill.pid} ({kill.name}) of its node"
        yield f"the kernel of {end.node} ended {who} for lack of memory"
    elif kernel.never:
        yield (
            f"the kernel of {end.node} has ended nothing for lack of memory since its boot, so "
            "something sent the signal"
        )
    elif kernel.unreadable:
        hint = f"; {kernel.counters[0]}" if kernel.counters else ""
        yield (
            "whether the kernel ended it for lack of memory is not known (its messages cannot be "
            f"read: {kernel.unreadable}{hint})"
        )
    elif signal_of(end.exit_code) == KILL:
        yield (
            f"the messages of {end.node}'s kernel ({kernel.source}) tell of no end for lack of "
            "memory, so something sent the signal"
        )


def _kill_of(end: Ended, kills: Sequence[Kill]) -> Kill | None:
    for kill in kills:
        apart_s = float("inf")
        if end.when and kill.at:
            apart_s = abs((kill.at - end.when.at).total_seconds())
        error_s = end.when.error_s if end.when else 0.0
        # a number of a process is given again, so the time has to fit where it is known
        dated = end.when is not None and kill.at is not None
        if kill.pid == end.pid and (not dated or apart_s <= BEFORE_S):
            return kill
        if apart_s <= NEAR_KILL_S + error_s:
            return kill
    return None


def _by_signal(end: Ended, events: Sequence[Event], job: str | None) -> Iterator[str]:
    number = signal_of(end.exit_code)
    if number in _CRASHES:
        yield "its program crashed in machine code, or ended itself so (its core dump tells where)"
    if number in (*_ASKED, KILL):
        for event in _asked_since_its_start(end, events, job):
            by = f" by {event.by.user}@{event.by.host}" if event.by else ""
            yield f"shortly before: {event.text}{by}"


def _asked_since_its_start(end: Ended, events: Sequence[Event], job: str | None) -> list[Event]:
    """Actions that may have ended it: what came before it was started ended an earlier run."""
    found: list[Event] = []
    for event in _before(end, events):
        if event.kind != "action":
            continue
        if event.action != "start":
            found.append(event)
        elif event.job == job and end.instance in event.affects and end.is_surely_after(event.at):
            found.clear()
    return found


def _by_disk(end: Ended, checked: Checked, last: Sequence[str]) -> Iterator[str]:
    if any(word in line.lower() for line in last for word in _NO_ROOM):
        yield "it said that a disk is full"
    facts = checked.facts.get(end.node)
    free = facts.system.disk_free_bytes if facts and facts.system else None
    if free is not None and free < FULL_BYTES:
        yield f"the disk of {end.node} has {size(free)} free now"


def _by_node(end: Ended, checked: Checked) -> Iterator[str]:
    facts = checked.facts.get(end.node)
    booted = boot_of(facts) if facts else None
    if booted and end.when and booted.at + timedelta(seconds=1) >= end.when.at:
        yield f"{end.node} booted at {clock(booted.at)}, after it"


def _by_events(end: Ended, events: Sequence[Event], job: str | None) -> Iterator[str]:
    """What was wrong with its node or network shortly before."""
    for event in _before(end, events):
        mine = end.node in (event.node, event.subject) or end.instance == event.subject
        if "@" in event.subject and event.job not in (None, job):
            continue  # another job has an instance of that name
        if event.kind in ("problem", "node") and event.state not in ("ok", "ready") and mine:
            if event.kind == "problem" and event.code.startswith("service-"):
                continue  # the failure itself
            yield f"at {clock(event.at)}: {event.text}"


def _before(end: Ended, events: Sequence[Event]) -> list[Event]:
    if end.when is None:
        return []
    begin = end.when.at - timedelta(seconds=BEFORE_S)
    last = end.when.at + timedelta(seconds=end.when.error_s)
    return [event for event in events if begin <= event.at <= last]


def _said(last: Sequence[str]) -> Iterator[str]:
    if not last:
        return
    if any(word in line.lower() for line in last for word in _NO_MEMORY):
        yield "it said that it had no memory"
    yield f"it printed last: {last[-1][:200]}"


def blames_peer(last: Sequence[str]) -> bool:
    """Whether its last words are of a connection that it lost, or could not make."""
    return any(word in line.lower() for line in last for word in _NO_PEER)


def clock(at: datetime) -> str:
    """The local time of a moment."""
    return at.astimezone().strftime("%H:%M:%S")
