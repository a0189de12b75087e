"""What a dashboard has seen, which outlives a change of job and a new nodes.yaml. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from fleetctl.model.events import Event
from fleetctl.tui.job_line import Trend

HISTORY = 60
"""Round trips of each node that are kept."""


class Seen:
    """Is handed from one dashboard to the one that is opened in its place."""

    def __init__(self) -> None:
        self.events: dict[str, Event] = {}
        """By key."""
        self.repaired: tuple[tuple[str, str], ...] = ()
        """See :attr:`fleetctl.tui.host.Host.repaired`."""
        self._round_trips: dict[str, deque[float | None]] = {}
        self._trends: dict[str, Trend] = {}

    def round_trips(self, node: str) -> deque[float | None]:
        """Of the job's network, in ms, the newest last."""
        return self._round_trips.setdefault(node, deque(maxlen=HISTORY))

    def trend(self, job: str) -> Trend:
        """Where the loss of ``job`` goes."""
        return self._trends.setdefault(job, Trend())

    def keep_nodes(self, nodes: Iterable[str]) -> None:
        """Forget nodes that are no longer in nodes.yaml."""
        left = set(nodes)
        self._round_trips = {n: found for n, found in self._round_trips.items() if n in left}
