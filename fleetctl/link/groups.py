"""Ending a process of this machine together with what it has started."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress

_WAIT_S = 1.0


async def end_group(
    process: asyncio.subprocess.Process,
    *signals: signal.Signals,
) -> None:
    """End a process that leads a process group, and all of the group, unless it has ended.

    :param signals: sent one after another, the next where it has not ended within a second.
    """
    for sent in signals:
        if process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, sent)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _WAIT_S)
