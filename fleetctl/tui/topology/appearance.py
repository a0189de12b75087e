"""The marks and texts of nodes, links and networks in the drawing. Pure.

Every mark is one column wide and every text that depends on the state has a reserved width, so that
nothing moves when the state changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct
from rich.cells import cell_len

from fleetctl.health.round_trips import highest
from fleetctl.marks import Mark, Tone, mark, verdict
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.status import FleetStatus, ServiceStatus
from fleetctl.model.topology import DHCP, Fleet
from fleetctl.quantities import count, rtt
from fleetctl.tui.topology.drawing import fitted

RTT_COLUMNS = 7
"""The width of a round trip such as ``0.812ms``."""

ROLE_COLUMNS = 20

_WORST = (
    "failed", "unhealthy", "unknown", "degraded", "restarting", "waiting", "starting", "running",
    "exited", "stopped",
)  # fmt: skip

NAMES, ROLES, LINKS, ADDRESSES = 1, 2, 3, 4
"""Levels of detail: names; and roles; and a row for each link; and addresses in it."""

Attachments = Mapping[tuple[str, str], bool | None]
"""By node and network: whether the attachment works; see fleetctl.health.attachments."""
Rtts = Mapping[tuple[str, str], float]
"""By node and network: the round trip to the neighbours there, in ms."""


class Appearance(Struct, frozen=True):
    """The fleet's state as it is drawn; ``status`` is None before any node answered."""

    fleet: Fleet
    status: FleetStatus | None
    attachments: Attachments
    rtts: Rtts
    cut_off: frozenset[str]
    """Nodes with links that work, and which a network of the job does not work for all the same:
    because of a gateway on the way, say."""
    instances: Mapping[str, tuple[Instance, ...]]
    """Of the job, by node; nodes without one are left out."""
    idle: frozenset[str] = frozenset()
    """Instances that take no part if they are ready: for their own reason, or since a network of
    the job does not work for their node."""
    meshes: Mapping[str, str] = {}
    """By network that stands for several cables: what it is called."""
    cables: Mapping[tuple[str, str], int] = {}
    """By node and such a network: how many of them the node has."""

    def _unasked(self) -> Mark:
        """Not coloured before any node answered: that would be a false alarm."""
        return Mark(mark("unknown").symbol, "doubt" if self.status else "quiet")

    def node(self, name: str) -> Mark:
        """A node's mark; degraded, not unreachable, when SSH fails but a network works."""
        if self.fleet.nodes[name].connection == "none":
            return mark("external")
        known = self.status.nodes.get(name) if self.status else None
        if known is None:
            return self._unasked()
        if known.state == "unreachable" and self._heard(name):
            return mark("degraded")
        if known.state == "ok" and name in self.cut_off:
            return mark("degraded")
        return mark(known.state)

    def address(self, node: str, network: str) -> str:
        """The node's address there; ``dhcp`` if DHCP gives it and it is not known."""
        if cables := self.cables.get((node, network)):
            return count(cables, "cable")
        if own := self.fleet.nodes[node].addresses.get(network):
            return str(own)
        known = self.status.nodes.get(node) if self.status else None
        rows = known.addresses if known else ()
        return next((row.expected for row in rows if row.network == network), DHCP)

    def address_columns(self, node: str, network: str) -> int:
        """The most that :meth:`address` takes, so that a lease moves nothing."""
        if network in self.meshes:
            return len(self.address(node, network))
        own = self.fleet.nodes[node].addresses.get(network)
        return len(str(own or self.fleet.networks[network].cidr.broadcast_address))

    def _heard(self, name: str) -> bool:
        return any(self.attachments.get((name, n)) for n in self.fleet.nodes[name].networks)

    def link(self, node: str, network: str) -> Mark:
        holds = self.attachments.get((node, network))
        return self._unasked() if holds is None else verdict(holds)

    def whole(self, node: str, network: str | None) -> Mark:
        """One mark for node and link: the link's if that is down, else the node's."""
        if network and self.attachments.get((node, network)) is False:
            return verdict(False)
        return self.node(node)

    def name_tone(self, node: str) -> Tone | None:
        """None, the terminal's own colour, for a node that is well."""
        tone = self.node(node).tone
        return tone if tone in ("bad", "doubt") and self.status else None

    def rtt_tone(self, node: str, network: str) -> Tone:
        """The tone of :meth:`rtt`; without an expectation of the network it is not coloured."""
        measured = self.rtts.get((node, network))
        expected_ms = self.fleet.networks[network].expect_rtt_ms
        if measured is None or expected_ms is None:
            return "quiet"
        return "good" if measured <= highest(expected_ms) else "doubt"

    def rtt(self, node: str, network: str) -> str:
        """At most RTT_COLUMNS wide; empty when not measured."""
        measured = self.rtts.get((node, network))
        text = "" if measured is None else rtt(measured)
        return text if len(text) <= RTT_COLUMNS else f"{(measured or 0) / 1000:.3g}s"

    def role(self, node: str) -> str:
        """The job's services on the node; else whether it is this machine or a gateway."""
        if mine := self.instances.get(node):
            return _counted([i.service for i in mine])
        if self.fleet.nodes[node].connection == "local":
            return "this machine"
        return "gateway" if self.fleet.nodes[node].gateway else ""

    def role_mark(self, node: str) -> Mark | None:
        """The worst state of the services on the node; None without services."""
        names = [i.name for i in self.instances.get(node, ())]
        if not names:
            return None
        known = self.status.services if self.status else {}
        if not known:
            return self._unasked()
        states = {self._worth(name, known) for name in names}
        return mark(next((word for word in _WORST if word in states), "ready"))

    def _worth(self, name: str, known: Mapping[str, ServiceStatus]) -> str:
        """The state of an instance; "degraded" if it is ready and can do nothing."""
        if name not in known:
            return "unknown"
        state = known[name].state
        return "degraded" if name in self.idle and state == "ready" else state

    def role_columns(self, node: str) -> int:
        """The width of role and mark."""
        role = self.role(node)
        return len(role) + (2 if self.role_mark(node) else 0)

    def network_label(self, name: str, columns: int) -> str:
        """Name, subnet and kind, or as many of them as fit; at least the name."""
        network = self.fleet.networks[name]
        if name in self.meshes:
            return fitted(self.meshes[name], max(columns, len(name)))
        word = "".join(c if c.isprintable() else "?" for c in network.kind)
        kind = f" · {word}" if word != name else ""
        full = f"{name} {network.cidr}{kind}"
        ends = [" · control", ""] if network.control and "control" not in name else [""]
        for text in (*(full + end for end in ends), f"{name} {network.cidr}"):
            if cell_len(text) <= columns:
                return text
        return name


def _counted(services: Sequence[str]) -> str:
    """The services of a node: each with its number, or how many there are."""
    numbers = Counter(services)
    text = ", ".join(f"{name} x{n}" if n > 1 else name for name, n in numbers.items())
    return text if cell_len(text) <= ROLE_COLUMNS else count(len(services), "instance")


def by_node(job: Job | None) -> dict[str, tuple[Instance, ...]]:
    """The instances of ``job``, by node."""
    instances: dict[str, tuple[Instance, ...]] = {}
    for instance in job.instances if job else ():
        instances[instance.node] = (*instances.get(instance.node, ()), instance)
    return instances
