"""Waiting for a file descriptor in the event loop."""

from __future__ import annotations

import asyncio


async def readable(fd: int) -> None:
    """Return once ``fd`` can be read without blocking; at its end that is always so."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(fd, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(fd)
