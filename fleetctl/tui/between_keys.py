"""Work that can wait while keys are pressed: it is done when one has been answered."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import monotonic

ANSWERED_S = 0.1
"""From a key to when its answer is drawn."""
TYPING_S = 0.8
"""So long after a key the next one is expected."""
AT_MOST_S = 0.5
"""So long work waits: also while a key is held down."""


class BetweenKeys:
    """A snapshot of hundreds of nodes takes as long as the answer to a key, and a key that comes
    meanwhile would wait for both. After an answer the next key is furthest away."""

    def __init__(self) -> None:
        self._last_s = -TYPING_S
        self._came = asyncio.Event()

    def key(self) -> None:
        """A key was pressed."""
        self._last_s = monotonic()
        self._came.set()

    async def wait(self) -> None:
        """Wait until a key has been answered; not while no keys come, nor for long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(AT_MOST_S):
                while (since_s := monotonic() - self._last_s) < TYPING_S:
                    answering = since_s <= ANSWERED_S
                    came = await self._another((ANSWERED_S if answering else TYPING_S) - since_s)
                    if answering and not came:
                        return

    async def _another(self, timeout_s: float) -> bool:
        """Whether a key is pressed within that time."""
        self._came.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._came.wait(), timeout_s)
        return self._came.is_set()
