"""Limits the number of SSH handshakes at once.

Handshakes cost processor time on the controller: 200 at once would all finish late, while with a
few at a time the first nodes' scripts run early. One server gets fewer at once than the 10 above
which sshd drops some at random (``MaxStartups``). A node that does not answer must not block
others, so a slot is freed after a short time even if its handshake goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

SLOTS = 24
SERVER_SLOTS = 8
PATIENCE_S = 1.0


class Slot:
    """One of the slots; :meth:`leave` frees it, and may be called twice."""

    def __init__(self, *places: asyncio.Semaphore) -> None:
        self._places = places
        self._held = True

    def leave(self) -> None:
        if self._held:
            self._held = False
            for place in self._places:
                place.release()


class Gate:
    def __init__(
        self,
        slots: int = SLOTS,
        patience_s: float = PATIENCE_S,
        server_slots: int = SERVER_SLOTS,
    ) -> None:
        self._places = asyncio.Semaphore(slots)
        self._patience_s = patience_s
        self._server_slots = server_slots
        self._servers: dict[Hashable, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def enter(self, server: Hashable) -> AsyncIterator[Slot]:
        """Wait for a slot of ``server``; it is held during the context, but at most ``patience_s``
        seconds."""
        of_server = self._servers.setdefault(server, asyncio.Semaphore(self._server_slots))
        await of_server.acquire()
        try:
            await self._places.acquire()
        except BaseException:
            of_server.release()
            raise
        slot = Slot(of_server, self._places)
        timer = asyncio.get_running_loop().call_later(self._patience_s, slot.leave)
        try:
            yield slot
        finally:
            timer.cancel()
            slot.leave()
