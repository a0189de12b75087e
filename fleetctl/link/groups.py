"""Starting a process of this machine, and ending it together with what it has started."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import Any

from fleetctl.finishing import to_the_end

_WAIT_S = 1.0


async def start_group(*argv: str, **options: Any) -> asyncio.subprocess.Process:
    """:func:`asyncio.create_subprocess_exec`, in a process group of its own. Where it is cancelled,
    the group is ended.

    asyncio of Python 3.11 kills only the process then, and waits until its pipes are closed: for
    ever, if something that it started has them, too.

    :raises OSError: it cannot be started.
    """
    starting = asyncio.create_task(
        asyncio.create_subprocess_exec(*argv, start_new_session=True, **options)
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await to_the_end(_end_started(starting))
        raise


async def _end_started(starting: asyncio.Task[asyncio.subprocess.Process]) -> None:
    with suppress(OSError):
        await end_group(await starting, signal.SIGKILL)


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
