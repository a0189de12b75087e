"""Over which of its connections to a node a server does what a client asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fleetctl.link.links import Links
from fleetctl.link.protocol import Link

OF_WATCH = 4
"""Channels of the watch's own connection that clients may use; the others are for itself."""
OF_OTHERS = 7
"""Channels of a connection that is for clients alone; OpenSSH allows ten (MaxSessions)."""
_FIRST = 100
"""The number of the first lane for clients alone; no other code uses so high a one."""
MOST = 8
"""Lanes for clients on one node."""


class Lanes:
    """Channels for clients: first on the connection of the watch, then on further ones, which are
    closed when nothing uses them any more."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._used: dict[tuple[str, int], int] = {}

    @asynccontextmanager
    async def link(self, node: str) -> AsyncIterator[Link]:
        """A link with a channel that is kept for the context.

        :raises LinkError: the node cannot be reached.
        """
        lane = self._free(node)
        self._used[node, lane] = self._used.get((node, lane), 0) + 1
        link: Link | None = None
        try:
            link = await self._links.get(node, lane)
            yield link
        finally:
            self._used[node, lane] -= 1
            if not self._used[node, lane]:
                del self._used[node, lane]
                if lane and link:
                    await link.close()

    def _free(self, node: str) -> int:
        if self._used.get((node, 0), 0) < OF_WATCH:
            return 0
        lanes = range(_FIRST, _FIRST + MOST)
        free = (lane for lane in lanes if self._used.get((node, lane), 0) < OF_OTHERS)
        return next(free, _FIRST)  # all are full: there it waits for a channel
