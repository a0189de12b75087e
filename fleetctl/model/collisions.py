"""Which instances of several jobs cannot run at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from fleetctl.model.jobs import Instance, Listen


def collisions(of_each: Sequence[Sequence[Instance]]) -> list[str]:
    """Each two instances of different jobs that need the same port of a node, in words.

    :param of_each: the instances of each job.
    """
    found = []
    for first, second in combinations(of_each, 2):
        for one in first:
            for other in second:
                if one.node != other.node or one.command is None or other.command is None:
                    continue
                if one.listen and other.listen and _collide(one.listen, other.listen):
                    found.append(
                        f"{one.name} of {one.job} and {other.name} of {other.job} both listen on "
                        f"port {one.listen.port}"
                    )
    return found


def _collide(one: Listen, other: Listen) -> bool:
    anywhere = one.address.is_unspecified or other.address.is_unspecified
    return one.port == other.port and (anywhere or one.address == other.address)
