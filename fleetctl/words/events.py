"""Events in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from fleetctl.escaping import visible
from fleetctl.model.events import Actor, Event


def sentence(event: Event) -> str:
    """What happened, why, and how it was over, safe for a terminal."""
    text = event.text
    if event.cause and event.cause not in text:
        text += f" ({event.cause})"
    others = [name for name in event.affects if name not in text and name != event.subject]
    if others and event.kind in ("node", "instance"):
        shown = ", ".join(others[:4])
        more = f" and {len(others) - 4} more" if len(others) > 4 else ""
        text += f"; with it {shown}{more}"
    if event.over:
        text += f"; {event.over}"
    return visible(text)


def by(actor: Actor | None) -> str:
    """Who asked for it."""
    return visible(f"{actor.user}@{actor.host}: {actor.command}") if actor else ""


def told(events: Iterable[Event]) -> list[Event]:
    """Those that are told by themselves."""
    return [event for event in events if not event.part_of]
