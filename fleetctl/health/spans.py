"""From when to when each problem was there. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.health.changes import changes
from fleetctl.model.events import Event
from fleetctl.model.status import FleetStatus

_Key = tuple[str, str, str | None]


class Spans(Struct, frozen=True):
    """The problems that were there by the last status, each by the event with which it began."""

    open: Mapping[_Key, Event] = {}

    @classmethod
    def of(cls, events: Iterable[Event]) -> Spans:
        """Those that are not known to be over by ``events`` of earlier watches, oldest first."""
        return cls({_key(e): e for e in events if _begins(e) and e.until is None})

    def after(self, status: FleetStatus, new: Sequence[Event]) -> tuple[Spans, tuple[Event, ...]]:
        """What is there by ``status``, and all events to be kept: ``new``, but for problems that
        began before their node was lost; problems that were there when the watch began; and those
        that are over, with ``until``.

        A problem that is no longer told is over once its node is heard, and not before: also where
        its cause is known by another name now, or it ended while nobody watched.

        :param new: the changes that led to ``status``.
        """
        begun = {_key(event): event for event in new if _begins(event)}
        ended = {_key(e) for e in new if e.kind == "problem" and e.state == "ok"}
        present = {_key(e): e for e in changes(replace(status, problems=()), status) if _begins(e)}
        there = {key: self.open.get(key) or begun.get(key) or e for key, e in present.items()}
        over = {
            key: replace(event, until=status.generated_at)
            for key, event in self.open.items()
            if key not in present and (key in ended or _heard(event.node, status))
        }
        gone_on = {k: e for k, e in self.open.items() if k not in present and k not in over}
        told = [e for e in new if not _begins(e) or self.open.get(_key(e), e) == e]
        first = [e for key, e in there.items() if key not in self.open and key not in begun]
        return Spans({**gone_on, **there}), (*told, *first, *over.values())


def _key(event: Event) -> _Key:
    return event.code, event.subject, event.node


def _begins(event: Event) -> bool:
    return event.kind == "problem" and bool(event.code) and event.state != "ok"


def _heard(name: str | None, status: FleetStatus) -> bool:
    """Whether the node, or each one, tells how it is."""
    nodes = [node for n, node in status.nodes.items() if name in (None, n)]
    return all(node.state not in ("unreachable", "unknown") for node in nodes)
