"""Where packets are late: the places that explain all round trips which take too long.

The round trip over a place takes at most as long as the shortest one of all paths that cross it,
there and back. So a place is slow only if that is more than its own network may take.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from msgspec import Struct

from fleetctl.health.network.paths import Path, Place, order
from fleetctl.health.round_trips import highest
from fleetctl.model.topology import Network

RTT_FACTOR_AGAIN = 1.5
RTT_SLACK_AGAIN_MS = 0.5
"""A known problem is over once the time does not exceed these."""


class Slow(Struct, frozen=True):
    """Round trips that take too long, for one reason."""

    place: Place
    paths: tuple[Path, ...]
    """Those that take too long."""
    proved: bool
    """Whether the place is on no path that is fast enough; else only the asking node is known."""


def slow_places(
    paths: Sequence[Path],
    networks: Mapping[str, Network],
    blamed: Mapping[str, int],
    standing: Collection[Place] = (),
) -> Iterator[Slow]:
    """The places that explain the most round trips, one after the other; then what is left.

    :param blamed: see :func:`~fleetctl.health.network.paths.blamed_first`.
    :param standing: where it is a problem already, and stays one until it is clearly over.
    """
    left = [path for path in paths if too_long(path, standing)]
    shortest: dict[Place, float] = {}
    for path in paths if left else ():
        if path.symmetric and (rtt_ms := path.rtt_ms) is not None:
            for place in path.places:
                shortest[place] = min(rtt_ms, shortest.get(place, rtt_ms))
    suspects = {
        place
        for place, rtt_ms in shortest.items()
        if (expected_ms := networks[place.network].expect_rtt_ms) is not None
        and rtt_ms > _limit_ms(expected_ms, known=place in standing)
    }
    while left and suspects:
        over = {place: sum(place in path.places for path in left) for place in suspects}
        best = min(
            suspects, key=lambda place: (-over[place], place not in standing, order(place, blamed))
        )
        if not over[best]:
            break
        yield Slow(best, tuple(p for p in left if best in p.places), proved=True)
        left = [path for path in left if best not in path.places]
        suspects.remove(best)
    # only what was slow all the time: while a link becomes slow, or fast again, its paths do so one
    # after the other
    yield from _by_end([p for p in left if _too_long(p, p.shortest_ms, standing)], blamed, standing)


def _by_end(
    left: Sequence[Path], blamed: Mapping[str, int], standing: Collection[Place]
) -> Iterator[Slow]:
    """What no place is proved to explain: told at the ends that most of it has in common, rather at
    one that asks, so that a path there and the one back are one."""
    while left:
        ends: dict[Place, list[Path]] = {}
        for path in left:
            for end, hop in ((path.reach.node, path.hops[0]), (path.reach.peer, path.hops[-1])):
                ends.setdefault(Place(hop[2], (end,)), []).append(path)

        def rank(end: Place, ends: Mapping[Place, list[Path]] = ends) -> tuple[object, ...]:
            asks = sum(path.reach.node in end.nodes for path in ends[end])
            return -len(ends[end]), end not in standing, -asks, order(end, blamed)

        first = min(ends, key=rank)
        yield Slow(first, tuple(ends[first]), proved=False)
        left = [path for path in left if path not in ends[first]]


def too_long(path: Path, standing: Collection[Place] = ()) -> bool:
    """Whether the round trip takes longer than it may."""
    return path.expected_rtt_ms is not None and _too_long(path, path.rtt_ms, standing)


def _too_long(path: Path, rtt_ms: float | None, standing: Collection[Place]) -> bool:
    if rtt_ms is None or path.expected_rtt_ms is None:
        return False
    known = any(place in path.places for place in standing)
    return rtt_ms > _limit_ms(path.expected_rtt_ms, known=known)


def _limit_ms(expected_ms: float, *, known: bool) -> float:
    if known:
        return max(expected_ms * RTT_FACTOR_AGAIN, expected_ms + RTT_SLACK_AGAIN_MS)
    return highest(expected_ms)
