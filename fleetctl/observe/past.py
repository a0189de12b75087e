"""What nodes noted while nobody watched, as events by the controller's clock."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from fleetctl.errors import LinkError
from fleetctl.health.past import past_events
from fleetctl.link.mistakes import of_node
from fleetctl.model.past import PastOfNode
from fleetctl.observe.observer import Observer
from fleetctl.probes.past import past_text, read_past

PAST_TIMEOUT_S = 20.0
"""Of one question."""


async def fetch_past(observer: Observer, since: Mapping[str, datetime]) -> Mapping[str, PastOfNode]:
    """Ask nodes what they noted; each over its one connection, all side by side.

    For :func:`fleetctl.recording.missed.enter_past`, which leaves out what was seen as it happened.
    Their events have a key, so that it does no harm to ask for the same time again.

    :param since: by node: since when; nodes that cannot be logged into are left out.
    """

    async def ask(name: str) -> PastOfNode:
        try:
            with of_node(name):
                return await _ask(observer, name, since[name])
        except LinkError as error:
            return PastOfNode(error=error)

    names = list(_asked(observer, since))
    return dict(zip(names, await asyncio.gather(*map(ask, names)), strict=True))


def _asked(observer: Observer, since: Mapping[str, datetime]) -> Iterator[str]:
    nodes = observer.fleet.nodes
    return (n for n in since if n in nodes and nodes[n].connection != "none")


async def _ask(observer: Observer, name: str, since: datetime) -> PastOfNode:
    """:raises LinkError: it cannot be asked."""
    ahead_s = await observer.clock_offset_s(name) or 0.0
    link = await observer.link(observer.fleet.nodes[name])
    since_s = int(since.timestamp() + ahead_s)
    text = past_text(observer.fleet.name, name, since_s)
    done = await link.run(text, timeout_s=PAST_TIMEOUT_S)
    found = read_past(done.text)
    events = (e for e in past_events(name, found, ahead_s) if e.at >= since.astimezone(UTC))
    return PastOfNode(tuple(events))
