"""The paths on which echoes came back, and what each of them crosses."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial

from msgspec import Struct

from fleetctl.health.judged import Judged
from fleetctl.health.network.causes import Way, ways
from fleetctl.medians import median_low
from fleetctl.model.expectations import Expectations, ExpectedReach
from fleetctl.model.facts import NetworkFacts, NodeFacts
from fleetctl.model.network import EchoRound
from fleetctl.model.topology import Fleet, Node


class Place(Struct, frozen=True, order=True):
    """Where packets may be lost or late: one node's link to a network, what joins two nodes there,
    or the network as a whole."""

    network: str
    nodes: tuple[str, ...] = ()
    """One: its link; two: what is between them; none: the network."""

    def meets(self, other: Place) -> bool:
        """Whether a packet may cross both on one network."""
        shared = not self.nodes or not other.nodes or not {*self.nodes}.isdisjoint(other.nodes)
        return self.network == other.network and shared


class Path(Struct, frozen=True):
    """A way on which echoes came back."""

    reach: ExpectedReach
    hops: tuple[tuple[str, str, str], ...]
    """As of :class:`Way`."""
    places: frozenset[Place]
    """All that it crosses, there or back."""
    symmetric: bool
    """It crosses all of them there and back."""
    rounds: tuple[EchoRound, ...]
    expected_rtt_ms: float | None
    """The sum of its networks'; None if one of them does not say."""
    expected_loss: float
    """The share of echoes, 0 to 1."""

    @property
    def sent(self) -> int:
        return sum(r.sent for r in self.rounds)

    @property
    def lost(self) -> int:
        return sum(r.sent - r.received for r in self.rounds)

    @property
    def rtt_ms(self) -> float | None:
        """The shortest of a round: the first echo may include ARP, and a busy machine is late. Of
        several rounds the middle one, or the shorter of two."""
        return median_low(self._times_ms) if self._times_ms else None

    @property
    def shortest_ms(self) -> float | None:
        """The shortest of all rounds."""
        return min(self._times_ms, default=None)

    @property
    def _times_ms(self) -> list[float]:
        return [r.rtt_min_ms for r in self.rounds if r.sent > 1 and r.rtt_min_ms is not None]


def paths(
    judged: Judged, facts: Mapping[str, NodeFacts], broken: Collection[ExpectedReach]
) -> list[Path]:
    """The paths that can be judged: several echoes were sent, and not all of them lost.

    :param broken: what a finding breaks already; packets may take another way there.
    """
    fleet, found = judged.fleet, []
    sizes = judged.of("members", (), lambda: members(fleet))
    for place, (reach, way) in enumerate(ways(judged).items()):
        known = facts.get(reach.node)
        if known is None or not reach.expected or (broken and reach in broken):
            continue
        told = partial(_told, fleet, sizes, way, reach, known.network)
        if path := judged.of(("path", place), (known.network,), told):
            found.append(path)
    return found


def _told(
    fleet: Fleet, sizes: Mapping[str, int], way: Way, reach: ExpectedReach, network: NetworkFacts
) -> Path | None:
    rounds = _rounds(network, reach)
    return _path(fleet, sizes, way, reach, rounds) if rounds and way.hops else None


def members(fleet: Fleet) -> Mapping[str, int]:
    """By network: how many nodes are on it."""
    return {n: sum(n in node.networks for node in fleet.nodes.values()) for n in fleet.networks}


def crossed_places(way: Way, sizes: Mapping[str, int]) -> frozenset[Place]:
    """All that ``way`` crosses, there or back.

    :param sizes: the number of each network's members: of a cable, its ends are all there is.
    """
    found = {Place(network, (node,)) for node, network in way.crossed}
    for here, there, network in way.hops:
        if sizes[network] > 2:
            found |= {Place(network), Place(network, (min(here, there), max(here, there)))}
    return frozenset(found)


def _rounds(network: NetworkFacts, reach: ExpectedReach) -> tuple[EchoRound, ...]:
    rounds = network.rounds.get(reach.to)
    if rounds is None:
        echo = network.echoes.get(reach.to)
        rounds = (EchoRound(0, echo.sent, echo.received, echo.rtt_min_ms),) if echo else ()
    judged = sum(r.sent for r in rounds) > 1 and any(r.received for r in rounds)
    return rounds if judged else ()


def _path(
    fleet: Fleet,
    sizes: Mapping[str, int],
    way: Way,
    reach: ExpectedReach,
    rounds: tuple[EchoRound, ...],
) -> Path:
    networks = [fleet.networks[name] for _, _, name in way.hops]
    rtts = [network.expect_rtt_ms for network in networks]
    passed = 1.0
    for network in networks:
        passed *= 1 - network.expect_loss_percent / 100
    return Path(
        reach,
        tuple(way.hops),
        crossed_places(way, sizes),
        way.symmetric,
        rounds,
        None if None in rtts else sum(rtt for rtt in rtts if rtt is not None),
        1 - passed,
    )


def blamed_first(expectations: Expectations, nodes: Collection[Node]) -> Mapping[str, int]:
    """In which order nodes are named where several are as likely: those that are no gateway first,
    since they have only this link, then in the order of nodes.yaml."""
    names = sorted((n.name for n in nodes), key=lambda name: name in expectations.forwarding)
    return {name: number for number, name in enumerate(names)}


def order(place: Place, blamed: Mapping[str, int]) -> tuple[int, int]:
    """The sort key of a place among others that explain as much: a node's link first."""
    kind = (2, 0, 1)[len(place.nodes)]
    return kind, min((blamed[name] for name in place.nodes), default=0)
