"""How many SSH handshakes are under way at once.

Handshakes cost processor time here, so 200 at once would all finish last; a few at a time finish
one after the other and the first nodes' scripts already run. But a node that does not answer must
not keep a place that others could use, so a slot is given up after a moment without progress.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

SLOTS = 24
PATIENCE_S = 1.0


class Slot:
    """One place in the gate; :meth:`leave` frees it early, leaving twice is harmless."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places = places
        self._held = True

    def leave(self) -> None:
        if self._held:
            self._held = False
            self._places.release()


class Gate:
    def __init__(self, slots: int = SLOTS, patience_s: float = PATIENCE_S) -> None:
        self._places = asyncio.Semaphore(slots)
        self._patience_s = patience_s

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[Slot]:
        """Wait for a place; it is kept for the block, at most ``patience_s`` seconds."""
        await self._places.acquire()
        slot = Slot(self._places)
        timer = asyncio.get_running_loop().call_later(self._patience_s, slot.leave)
        try:
            yield slot
        finally:
            timer.cancel()
            slot.leave()
