"""Lossy and slow links: one problem for each, told where all paths together show it to be."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address

from msgspec import Struct

from fleetctl.health.judged import Judged
from fleetctl.health.kinds.reachability import PACKET_LOSS, RTT_HIGH
from fleetctl.health.network.delays import Slow, slow_places, too_long
from fleetctl.health.network.loss import Lossy, doubtful_losses, lossy_places
from fleetctl.health.network.paths import Path, Place, blamed_first, paths
from fleetctl.model.expectations import Expectations, ExpectedReach
from fleetctl.model.facts import NodeFacts
from fleetctl.model.status import Problem
from fleetctl.model.topology import Fleet

HARDLY_ANYTHING = 0.5
"""Where so much is lost it is an error: TCP waits twice as long after each loss in a row, so no
connection over the link gets anything done."""


class Degraded(Struct, frozen=True):
    """A place where a problem is: the key by which a watch knows it again."""

    code: str
    place: Place


def degraded(
    judged: Judged,
    facts: Mapping[str, NodeFacts],
    broken: Collection[ExpectedReach],
    standing: Collection[Degraded] = (),
) -> Iterator[tuple[Degraded, Problem]]:
    """The problems of links that work, but badly.

    :param broken: the ways that a finding breaks already.
    :param standing: what was a problem before; it is over only when it is clearly better.
    """
    fleet, found = judged.fleet, paths(judged, facts, broken)
    blamed = judged.of(
        "blamed", (), lambda: blamed_first(judged.expectations, fleet.nodes.values())
    )
    known = [s.place for s in standing if s.code == PACKET_LOSS.code]
    for lossy in lossy_places(found, blamed, known):
        yield Degraded(PACKET_LOSS.code, lossy.place), _loss(fleet, lossy, blamed)
    known = [s.place for s in standing if s.code == RTT_HIGH.code]
    for slow in slow_places(found, fleet.networks, blamed, known):
        yield Degraded(RTT_HIGH.code, slow.place), _delay(fleet, slow, blamed)


def doubtful(
    fleet: Fleet, expectations: Expectations, facts: Mapping[str, NodeFacts]
) -> dict[str, frozenset[IPv4Address]]:
    """By node: the addresses that a check asks a second time before it calls a link bad."""
    found = paths(Judged(fleet, expectations), facts, ())
    lossy = doubtful_losses(found)
    again: dict[str, set[IPv4Address]] = {}
    for path in found:
        if not lossy.isdisjoint(path.places) or too_long(path):
            again.setdefault(path.reach.node, set()).add(path.reach.to)
    return {node: frozenset(addresses) for node, addresses in again.items()}


def _loss(fleet: Fleet, lossy: Lossy, blamed: Mapping[str, int]) -> Problem:
    place, share = lossy.place, lossy.lost / lossy.sent
    node = min(place.nodes, key=blamed.__getitem__, default=None)
    ends = _ordered(fleet, (end for path in lossy.paths for end in _ends(path)), node)
    neighbours = _ordered(
        fleet,
        (end for path in lossy.paths for hop in path.hops for end in _beside(hop, place)),
        node,
    )
    worst = sorted(lossy.paths, key=lambda path: -path.lost / path.sent)
    said = [
        f"{p.reach.node}: ping {p.reach.to}: {p.sent - p.lost} of {p.sent} echoes came back"
        for p in worst[:4]
    ]
    return PACKET_LOSS.problem(
        node,
        severity="error" if share >= HARDLY_ANYTHING else None,
        percent=round(100 * share),
        which=_which(node, neighbours),
        network=place.network,
        expected=round(fleet.networks[place.network].expect_loss_percent, 2),
        also="; no connection gets anything done over it" if share >= HARDLY_ANYTHING else "",
        affects=ends,
        evidence=f"{lossy.lost} of {lossy.sent} echoes were lost; {'; '.join(said)}",
    )


def _which(node: str | None, neighbours: Sequence[str]) -> str:
    if node is None:
        return "between all nodes"
    return f"between {node} and {neighbours[0]}" if len(neighbours) == 1 else f"to and from {node}"


def _delay(fleet: Fleet, slow: Slow, blamed: Mapping[str, int]) -> Problem:
    place = slow.place
    node = min(place.nodes, key=blamed.__getitem__, default=None)
    direct = [p for p in slow.paths if slow.proved and len(p.hops) == 1]
    worst = max(direct or slow.paths, key=lambda path: path.rtt_ms or 0.0)
    reach, rtt_ms = worst.reach, worst.rtt_ms or 0.0
    peer = next((end for end in (reach.peer, reach.node) if end != node), reach.peer)
    asker = "" if reach.node == node else f"{reach.node}: "
    return RTT_HIGH.problem(
        node,
        which=f"{node} needs" if node else "each node needs up to",
        rtt_ms=rtt_ms,
        peer=peer if node else "another one",
        network=reach.network,
        limit_ms=round(worst.expected_rtt_ms or 0.0, 3),
        affects=_ordered(fleet, (end for path in slow.paths for end in _ends(path)), node),
        evidence=f"{asker}ping {reach.to}: shortest of several {rtt_ms:g} ms",
    )


def _ends(path: Path) -> tuple[str, str]:
    return path.reach.node, path.reach.peer


def _beside(hop: tuple[str, str, str], place: Place) -> Sequence[str]:
    """The two ends of a hop over ``place``."""
    here, there, network = hop
    over = network == place.network and set(place.nodes) <= {here, there}
    return (here, there) if over else ()


def _ordered(fleet: Fleet, names: Iterable[str], without: str | None) -> tuple[str, ...]:
    chosen = set(names) - {without}
    return tuple(name for name in fleet.nodes if name in chosen)
