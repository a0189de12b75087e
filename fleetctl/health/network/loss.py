"""Where echoes are lost: the places that explain what was lost on all paths together.

A single lost echo means nothing. So the echoes of all paths over a place are judged as one sample:
how much less likely are the losses if each echo is lost with the expected share than if the place
loses more (binomial distributions)? By Chernoff's bound the ratio of the two is at most as likely
to come about by chance as it is small. Among the places where it is tiny, the one that explains
most is taken: a path on which nothing was lost counts against all that it crosses. What is still
too much then has another place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from math import exp, log

from msgspec import Struct

from fleetctl.health.network.paths import Path, Place, order

UNLIKELY = 1e-5
"""So unlikely must the losses be, to be a problem."""
LIKELY_AGAIN = 1e-2
"""So likely must they be, for a known problem to be over."""
DOUBTFUL = 0.15
"""A check asks a second time where the losses are less likely than this: for 3 of 50, not for 1 of
10."""
_RARER = (3.0, 0.0, 3.0)
"""By number of nodes in a place: how much more the others must explain than a node's own link,
which is more often bad; as a logarithm."""
_KNOWN = 5.0
"""How much less a known place may explain than another, to stay the one that is told: where some
nodes are not heard for a while, both ends of a link explain as much. As a logarithm."""
_SMALLEST, _LARGEST = 1e-9, 1 - 1e-9
"""What the expected share is taken for at least and at most."""


class Lossy(Struct, frozen=True):
    """A place where more echoes are lost than expected."""

    place: Place
    paths: tuple[Path, ...]
    """All that cross it."""

    @property
    def sent(self) -> int:
        return sum(path.sent for path in self.paths)

    @property
    def lost(self) -> int:
        return sum(path.lost for path in self.paths)


def lossy_places(
    paths: Sequence[Path], blamed: Mapping[str, int], standing: Collection[Place] = ()
) -> list[Lossy]:
    """The places where loss is a problem.

    The loss has to show in at least half of the rounds, and in two: what was lost at one moment
    does not make a lossy link.

    :param blamed: see :func:`~fleetctl.health.network.paths.blamed_first`.
    :param standing: where it is a problem already, and stays one until it is likely to be over.
    """
    if not any(path.lost for path in paths):
        return []
    sample = _Sample(paths)
    chosen: list[Place] = []
    for _ in range(len(sample.over)):
        if (place := sample.worst(chosen, blamed, standing)) is None:
            break
        chosen.append(place)
        for earlier in chosen[:-1]:  # it may have been taken for what the later ones explain better
            chosen.remove(earlier)
            if (better := sample.worst(chosen, blamed, standing)) is not None:
                chosen.append(better)
    return [
        Lossy(place, tuple(paths[n] for n in sample.over[place]))
        for place in chosen
        if place in standing or sample.lasting(place, [p for p in chosen if p != place])
    ]


def doubtful_losses(paths: Sequence[Path]) -> set[Place]:
    """Where so much was lost that it may be more than chance."""
    if not any(path.lost for path in paths):
        return set()
    sample = _Sample(paths)
    expected = sample.expected([])
    return {place for place in sample.over if sample.chance(place, expected) < DOUBTFUL}


class _Sample:
    """The echoes of all paths, by the places that they cross."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        self.sent = [path.sent for path in paths]
        self.lost = [path.lost for path in paths]
        self.over: dict[Place, list[int]] = {}
        """The numbers of the paths that cross a place."""
        for number, path in enumerate(paths):
            for place in path.places:
                self.over.setdefault(place, []).append(number)

    def expected(self, chosen: Sequence[Place]) -> list[float]:
        """The share that is expected to be lost on each path, where ``chosen`` places are lossy."""
        expected = [path.expected_loss for path in self.paths]
        for place in chosen:
            extra = self._extra(place, expected)
            for n in self.over[place]:
                expected[n] = _with(expected[n], extra)
        return expected

    def chance(self, place: Place, expected: Sequence[float]) -> float:
        """At most how likely it is that so much, over a place, is lost by chance."""
        return exp(-self._explained(place, expected))

    def worst(
        self, chosen: Sequence[Place], blamed: Mapping[str, int], standing: Collection[Place]
    ) -> Place | None:
        """The place that explains most of what ``chosen`` ones leave, if that is no chance."""
        expected = self.expected(chosen)
        unlikely = [
            place
            for place in self.over
            if place not in chosen
            and self.chance(place, expected) < self._unlikely(place, chosen, standing)
        ]

        def rank(place: Place) -> tuple[float, tuple[int, int]]:
            explained = self._explained(place, expected) - _RARER[len(place.nodes)]
            explained += _KNOWN if place in standing else 0.0
            return -explained, order(place, blamed)

        return min(unlikely, key=rank, default=None)

    @staticmethod
    def _unlikely(place: Place, chosen: Sequence[Place], standing: Collection[Place]) -> float:
        """How unlikely the losses must be for ``place`` to be told: a known one that another place
        now stands for counts as a new one."""
        replaced = any(one not in standing and place.meets(one) for one in chosen)
        return LIKELY_AGAIN if place in standing and not replaced else UNLIKELY

    def lasting(self, place: Place, others: Sequence[Place]) -> bool:
        """Whether too much was lost in at least half of the rounds, and in two."""
        expected = self.expected(others)
        too_much: dict[int, float] = defaultdict(float)
        for n in self.over[place]:
            for r in self.paths[n].rounds:
                too_much[r.slot] += r.sent - r.received - r.sent * expected[n]
        lossy = sum(amount > 0 for amount in too_much.values())
        return lossy >= 2 and lossy * 2 >= len(too_much)

    def _extra(self, place: Place, expected: Sequence[float]) -> float:
        """The share that the place loses by itself, over what is expected."""
        over = self.over[place]
        sent, lost = sum(self.sent[n] for n in over), sum(self.lost[n] for n in over)
        share = min(sum(self.sent[n] * expected[n] for n in over) / sent, _LARGEST)
        return max(0.0, 1 - (1 - lost / sent) / (1 - share))

    def _explained(self, place: Place, expected: Sequence[float]) -> float:
        """How much better a loss at the place explains what was lost on its paths: the logarithm
        of the likelihood ratio."""
        extra, better = self._extra(place, expected), 0.0
        for n in self.over[place]:
            usual = min(max(expected[n], _SMALLEST), _LARGEST)
            here = min(_with(usual, extra), _LARGEST)
            came = self.sent[n] - self.lost[n]
            better += self.lost[n] * log(here / usual) + came * log((1 - here) / (1 - usual))
        return round(better, 6)


def _with(share: float, extra: float) -> float:
    return 1 - (1 - share) * (1 - extra)
