"""Lines of all instances, ends, events and messages of kernels in one order of time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct

from fleetctl.logs.lines import LogLine
from fleetctl.logs.tidying import plain
from fleetctl.model.events import Event
from fleetctl.postmortem.ends import Ended
from fleetctl.postmortem.kernel import Kernel

LONGEST = 2000
"""Characters of a line that are kept."""


class Entry(Struct, frozen=True):
    """One line of the time line."""

    at_s: float | None
    """Seconds since 1970 by the controller's clock; None: not known, not even about."""
    who: str
    text: str
    sure: bool = True
    """Whether its own time is known, and not only that of a line near it."""


def timeline(
    logs: Mapping[str, Sequence[LogLine]],
    ends: Iterable[Ended],
    events: Iterable[Event],
    kernels: Mapping[str, Kernel | str],
) -> list[Entry]:
    """All of it by time; each log stays in its order, and what has no time comes last."""
    found: list[Entry] = []
    for name, lines in logs.items():
        found += _of_log(name, lines)
    for one in ends:
        at_s = one.when.at.timestamp() if one.when else None
        error = f" (± {one.when.error_s:.2g} s)" if one.when else ""
        found.append(Entry(at_s, one.instance, f"*** {one.how}{error}"))
    for event in events:
        known = event.cause in event.text  # also where there is none
        text = event.text if known else f"{event.text}: {event.cause}"
        found.append(Entry(event.at.timestamp(), event.subject or "fleet", f"--- {text}"))
    for node, kernel in kernels.items():
        if isinstance(kernel, str):
            continue
        for line in kernel.lines:
            at_s = line.at.timestamp() if line.at else None
            found.append(Entry(at_s, f"kernel@{node}", line.text[:LONGEST]))
    # the sort is stable: lines of one log, and of one second, stay in their order
    return sorted(found, key=lambda e: float("inf") if e.at_s is None else e.at_s)


def _of_log(name: str, lines: Sequence[LogLine]) -> Iterator[Entry]:
    """A line without a time of its own stands at that of the one before it, else of the next."""
    known = next((line.at for line in lines if line.at is not None), None)
    for line in lines:
        sure = line.at is not None
        if line.at is not None:
            known = line.at if known is None else max(known, line.at)
        yield Entry(known, name, plain(line.text)[:LONGEST], sure)


def timeline_text(entries: Sequence[Entry]) -> str:
    """As a file: time in UTC, who, and what."""
    wide = max((len(e.who) for e in entries), default=0)
    return "".join(
        f"{_moment(e.at_s)}{' ' if e.sure else '?'} {e.who.ljust(wide)} | {e.text}\n"
        for e in entries
    )


def _moment(at_s: float | None) -> str:
    if at_s is None:
        return "????-??-?? ??:??:??.???"
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
