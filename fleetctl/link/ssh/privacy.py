"""Whether macOS on this machine denies the program its neighbours (Local Network privacy).

A denied program gets EHOSTUNREACH, as from a dead route; Apple's own ping is never denied
(docs/operating-systems.md, "Local Network privacy").
"""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import DEVNULL

from fleetctl.errors import LinkError, LocalNetworkDenied
from fleetctl.link.groups import end_group, start_group

PING_S = 2.0


async def explained(error: LinkError, address: str) -> LinkError:
    """The reason for "no route" to ``address``: ``error``, or that macOS denies it."""
    if sys.platform != "darwin" or not await _ping_answers(address):
        return error
    return LocalNetworkDenied(
        error.node,
        f"macOS does not let this program connect to the local network: ping reaches {address}, "
        "fleetctl gets 'no route to host'",
        hint="Allow the terminal, or what started fleetctl, under System Settings, Privacy & "
        "Security, Local Network.",
    )


async def _ping_answers(address: str) -> bool:
    try:
        ping = await start_group(
            *("ping", "-n", "-q", "-c", "1", "-t", "1", address),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=DEVNULL,
        )
    except OSError:
        return False
    try:
        async with asyncio.timeout(PING_S):
            return await ping.wait() == 0
    except TimeoutError:
        return False
    finally:
        await end_group(ping, signal.SIGKILL)
