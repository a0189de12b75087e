"""The clocks of the nodes, which the times of log lines are of."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable

from fleetctl.quantities import duration

LEAST_S = 1.0
"""Log lines have their times to about a second, so a smaller difference is none."""


class Clocks:
    """How far the nodes' clocks are ahead of this machine's; each is asked once.

    :param ask: tells it of a node, in seconds; None: not known. It may raise LinkError.
    """

    def __init__(self, ask: Callable[[str], Awaitable[float | None]]) -> None:
        self._ask = ask
        self._ahead_s: dict[str, float] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._told: set[str] = set()

    async def ahead_s(self, node: str) -> float:
        """By how much times of ``node`` must be corrected; 0: not, or that is not known.

        :raises LinkError: the node cannot be asked.
        """
        async with self._locks[node]:
            if node not in self._ahead_s:
                found = await self._ask(node) or 0.0
                self._ahead_s[node] = found if abs(found) > LEAST_S else 0.0
            return self._ahead_s[node]

    def news(self, node: str) -> str:
        """The sentence about a clock that differs, at the first call for ``node``; else empty."""
        ahead_s = self._ahead_s.get(node, 0.0)
        if not ahead_s or node in self._told:
            return ""
        self._told.add(node)
        return clock_sentence(node, ahead_s)


def clock_sentence(node: str, ahead_s: float) -> str:
    """What is said about a clock for which times were corrected."""
    side = "ahead of" if ahead_s > 0 else "behind"
    return (
        f"the clock of {node} is {duration(abs(ahead_s))} {side} this machine's; "
        "the times of its lines are corrected by that"
    )
