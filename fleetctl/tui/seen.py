"""What a dashboard has seen, which outlives a change of job and a new nodes.yaml. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from fleetctl.model.events import Event
from fleetctl.model.node_status import SystemStatus
from fleetctl.tui.job_line import Trend
from fleetctl.words.sparkline import sparkline

HISTORY = 60
"""Round trips of each node that are kept, and how busy it was as often."""
BARS = 24


class Seen:
    """Is handed from one dashboard to the one that is opened in its place."""

    def __init__(self) -> None:
        self.events: dict[str, Event] = {}
        """By key."""
        self.repaired: tuple[tuple[str, str], ...] = ()
        """See :attr:`fleetctl.tui.host.Host.repaired`."""
        self._round_trips: dict[str, deque[float | None]] = {}
        self._usage: dict[str, deque[tuple[float | None, float | None]]] = {}
        """By node: the busy part of its processors, in percent, and bytes a second by the network,
        the newest last."""
        self._trends: dict[str, Trend] = {}

    def round_trips(self, node: str) -> deque[float | None]:
        """Of the job's network, in ms, the newest last."""
        return self._round_trips.setdefault(node, deque(maxlen=HISTORY))

    def take_usage(self, node: str, system: SystemStatus | None) -> None:
        """Keep how busy ``node`` is now."""
        if system is None:
            system = SystemStatus()
        ways = (system.net_in_bytes_per_s, system.net_out_bytes_per_s)
        network = None if None in ways else float(sum(filter(None, ways)))
        kept = self._usage.setdefault(node, deque(maxlen=HISTORY))
        kept.append((system.cpu_percent, network))

    def usage_bars(self, node: str) -> Mapping[str, str]:
        """How busy it was, as bars: of ``processors`` and ``network``."""
        kept = self._usage.get(node)
        if not kept:
            return {}
        processors, network = zip(*kept, strict=True)
        return {
            "processors": sparkline(processors, BARS, 100.0),
            "network": sparkline(network, BARS),
        }

    def trend(self, job: str) -> Trend:
        """Where the loss of ``job`` goes."""
        return self._trends.setdefault(job, Trend())

    def keep_nodes(self, nodes: Iterable[str]) -> None:
        """Forget nodes that are no longer in nodes.yaml."""
        left = set(nodes)
        self._round_trips = {n: found for n, found in self._round_trips.items() if n in left}
        self._usage = {n: found for n, found in self._usage.items() if n in left}
