"""One stream of bytes for several readers, each of which gets all of it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

Read = Callable[[], Awaitable[bytes]]
"""The next bytes; empty at their end."""

AHEAD = 16
"""So many pieces wait for the slowest reader; then the others wait with them."""
STALL_S = 60.0
"""A reader for which others wait that long is given up."""


class Stalled(Exception):
    """This reader took nothing while others waited for it."""


class _Reader:
    def __init__(self) -> None:
        self.pieces: deque[bytes] = deque()
        self.arrived = asyncio.Event()
        self.stalled = False


class SharedInput:
    """What ``read`` returns, for each of ``readers``, at the pace of the slowest: nothing is kept
    but the few pieces that it has still to take.

    Use as an async context manager; ``reading``, the task that calls ``read``, begins with it.
    """

    def __init__(self, read: Read, readers: Iterable[str]) -> None:
        self._read = read
        self._readers = {name: _Reader() for name in readers}
        self._moved = asyncio.Event()
        self._ended = False

    async def __aenter__(self) -> SharedInput:
        self.reading = asyncio.create_task(self._pass_on())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.reading.cancel()
        await asyncio.gather(self.reading, return_exceptions=True)

    async def pieces(self, name: str) -> AsyncGenerator[bytes, None]:
        """All of it, for one reader.

        :raises Stalled: it was given up.
        """
        reader = self._readers[name]
        while True:
            while not (reader.pieces or reader.stalled or self._ended):
                reader.arrived.clear()
                await reader.arrived.wait()
            if reader.stalled:
                raise Stalled
            if not reader.pieces:
                return
            yield reader.pieces.popleft()
            self._moved.set()

    def leave(self, name: str) -> None:
        """This reader takes no more, so that no other waits for it."""
        self._readers.pop(name, None)
        self._moved.set()

    async def _pass_on(self) -> None:
        try:
            while data := await self._read():
                for reader in self._readers.values():
                    reader.pieces.append(data)
                    reader.arrived.set()
                await self._wait_for_the_slowest()
        finally:
            self._ended = True
            for reader in self._readers.values():
                reader.arrived.set()

    async def _wait_for_the_slowest(self) -> None:
        while slow := [n for n, r in self._readers.items() if len(r.pieces) >= AHEAD]:
            alone = len(self._readers) == 1
            self._moved.clear()
            try:
                async with asyncio.timeout(None if alone else STALL_S):
                    await self._moved.wait()
            except TimeoutError:
                for name in slow:
                    reader = self._readers.pop(name)
                    reader.stalled = True
                    reader.arrived.set()
