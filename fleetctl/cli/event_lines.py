"""Events on the terminal: lines for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from fnmatch import fnmatchcase

import click

from fleetctl.cli.render import cut, marked, plain, style
from fleetctl.history.event_json import event_json
from fleetctl.history.store import key_of
from fleetctl.marks import mark
from fleetctl.model.events import Event
from fleetctl.words.events import by, sentence, told


def concerns(event: Event, targets: Sequence[str]) -> bool:
    """Whether it is about what ``targets`` name, or changed it; without targets always."""
    names = {event.subject, event.node or "", event.job or "", *event.affects}
    names |= {name.rpartition("/")[2] for name in names}
    names |= {name.partition("@")[0] for name in names} - {""}
    return not targets or any(fnmatchcase(name, t) for name in names for t in targets)


class EventPrinter:
    """Prints events as they come, each once; those that are known better or over once more.

    :param targets: what they have to be about.
    """

    def __init__(self, targets: Sequence[str], *, as_json: bool) -> None:
        self._targets = targets
        self._as_json = as_json
        self._printed: dict[str, Event] = {}

    def take(self, events: Iterable[Event]) -> None:
        """Print what is new of ``events``, oldest first."""
        for event in sorted(told(events), key=lambda one: one.at):
            key = key_of(event)
            before = self._printed.get(key)
            if before == event or not concerns(event, self._targets):
                continue
            self._printed[key] = event
            while len(self._printed) > 20_000:
                del self._printed[next(iter(self._printed))]
            click.echo(event_json(event).decode() if self._as_json else _line(event, before))


def _line(event: Event, before: Event | None) -> str:
    """When, mark, subject, what happened, who asked for it.

    :param before: as it was printed; None: it was not.
    """
    at, state = event.at, event.state
    text = sentence(event).removeprefix(f"{event.about} ").replace(f", {event.about}", "", 1)
    if before and event.over and not before.over and event.until:
        at, state, text = event.until, "ok", event.over
    asked = style(f"  {by(event.by)}", None) if event.by else ""
    subject = event.about or "-"
    line = f"{_moment(at)}  {marked(mark(state))} {subject}  {text}"
    return cut(plain(line + asked))


def _moment(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"
