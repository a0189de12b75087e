"""Whether somebody still reads stdout, for commands that print for ever."""

from __future__ import annotations

import asyncio
import select
import sys
from collections.abc import Coroutine
from typing import Any

READER_CHECK_S = 0.25


async def while_read(work: Coroutine[Any, Any, None]) -> None:
    """Run ``work``, and cancel it when the reader of stdout has gone: also while nothing is
    written, when no write would tell."""
    task = asyncio.create_task(work)
    try:
        while not task.done() and not _reader_gone():
            await asyncio.wait([task], timeout=READER_CHECK_S)
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
    if not task.cancelled():
        task.result()


def _reader_gone() -> bool:
    """Whether stdout is a pipe that nobody reads any more (poll(2): POLLERR, on macOS POLLHUP)."""
    try:
        watched = select.poll()
        watched.register(sys.stdout.fileno(), 0)
        return any(events & (select.POLLERR | select.POLLHUP) for _, events in watched.poll(0))
    except (OSError, ValueError):
        return False
