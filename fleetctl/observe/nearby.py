"""Machines on this machine's networks that may be hosts: what announces SSH by mDNS, and what has
something at its SSH port."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from ipaddress import IPv4Address
from typing import Any

from msgspec import Struct

from fleetctl.model.topology import SSH_PORT

_SERVICE = "_ssh._tcp.local."
"""What machines with an SSH server announce (RFC 6763)."""
_BROWSE_S = 2.0
_RESOLVE_MS = 1000
_CONNECT_S = 1.0
_AT_ONCE = 64
MOST = 256
"""Machines that are tried or listed."""

WITHOUT_ZEROCONF = (
    "what announces itself by mDNS is not listed: that needs zeroconf "
    "(pip install 'fleetctl[discover]')"
)


class Announced(Struct, frozen=True):
    """A machine that announces an SSH server."""

    name: str
    """Such as ``pi5.local``."""
    addresses: tuple[str, ...]
    port: int


async def answering(
    addresses: Sequence[IPv4Address], port: int = SSH_PORT
) -> tuple[IPv4Address, ...]:
    """Those of ``addresses``, in order, that accept a connection at ``port`` within a second."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def answers(address: IPv4Address) -> bool:
        async with gate:
            try:
                async with asyncio.timeout(_CONNECT_S):
                    _, writer = await asyncio.open_connection(str(address), port)
            except OSError:  # TimeoutError is one
                return False
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        return True

    asked = addresses[:MOST]
    found = await asyncio.gather(*map(answers, asked))
    return tuple(address for address, yes in zip(asked, found, strict=True) if yes)


def has_zeroconf() -> bool:
    """Whether the optional library is there."""
    try:
        import_module("zeroconf.asyncio")
    except ImportError:
        return False
    return True


async def announced(interfaces: Sequence[str] | None = None) -> tuple[Announced, ...]:
    """What announces SSH within two seconds, by name.

    :param interfaces: addresses of this machine to ask on; None: all.
    :raises ImportError: there is no zeroconf.
    :raises OSError: this machine cannot ask.
    """
    library: Any = import_module("zeroconf.asyncio")
    asking = library.AsyncZeroconf(**({"interfaces": list(interfaces)} if interfaces else {}))
    names: dict[str, None] = {}

    def changed(*, name: str, **_: object) -> None:
        if len(names) < MOST:
            names[name] = None

    try:
        browser = library.AsyncServiceBrowser(asking.zeroconf, [_SERVICE], handlers=[changed])
        await asyncio.sleep(_BROWSE_S)
        await browser.async_cancel()
        found = await asyncio.gather(*(_resolved(library, asking, name) for name in names))
    finally:
        await asking.async_close()
    return tuple(sorted((one for one in found if one), key=lambda one: one.name))


async def _resolved(library: Any, asking: Any, name: str) -> Announced | None:
    info = library.AsyncServiceInfo(_SERVICE, name)
    if not await info.async_request(asking.zeroconf, _RESOLVE_MS) or not info.server:
        return None
    return Announced(
        name=info.server.rstrip("."),
        addresses=tuple(a for a in info.parsed_addresses() if ":" not in a),
        port=info.port or SSH_PORT,
    )
