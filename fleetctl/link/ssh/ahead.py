"""Connections to nodes' SSH servers that are made before asyncssh is there to log in over them.

Importing it takes longer than all else before a login, and a server takes about as long to get
ready for one.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter

from fleetctl.link.ssh.dial import dial
from fleetctl.link.ssh.gate import SERVER_SLOTS, SLOTS
from fleetctl.link.ssh.host_configs import HostConfigs
from fleetctl.model.topology import Node

WAIT_S = 0.1
"""How long the first of these connections is waited for, before asyncssh is imported anyway."""

_Server = tuple[str, int, int]
"""Host, port and family, as :func:`~fleetctl.link.ssh.dial.dial` takes them."""
_Dialed = tuple[_Server, socket.socket]


class Ahead:
    """Makes connections to nodes that are reached without a jump host or a command."""

    def __init__(self) -> None:
        self.configs = HostConfigs()
        """The SSH configuration of each host."""
        self._dialing: dict[str, asyncio.Task[_Dialed | None]] = {}
        """By node; None: it is not reached in this way."""
        self._servers: Counter[tuple[str, int | None]] = Counter()
        self._over = False

    async def begin(self, node: Node) -> None:
        """Begin to connect to ``node``; returns as soon as it, or another node, is connected to, or
        cannot be, but after :data:`WAIT_S` at the latest."""
        server = node.ssh.host, node.ssh.port
        plain = not (node.ssh.other_hosts or node.ssh.proxy_jump)
        few = len(self._dialing) < SLOTS and self._servers[server] < SERVER_SLOTS
        if plain and few and not self._over and node.name not in self._dialing:
            self._servers[server] += 1
            self._dialing[node.name] = asyncio.create_task(self._dial(node))
        if self._dialing:
            await asyncio.wait(
                self._dialing.values(), timeout=WAIT_S, return_when=asyncio.FIRST_COMPLETED
            )

    async def _dial(self, node: Node) -> _Dialed | None:
        ssh = node.ssh
        deadline = asyncio.get_running_loop().time() + ssh.connect_timeout_s
        config = await self.configs.of(node.name, ssh)
        if config.proxy_jump or config.proxy_command or config.without_keys:
            return None
        server = config.host, config.port, config.family
        return server, await dial(node.name, *server, deadline)

    async def take(
        self, name: str, host: str, port: int, family: int, deadline: float
    ) -> socket.socket:
        """The connection to a node, made ahead or made now; each is given once.

        :param name: of the node; the others are those of :func:`~fleetctl.link.ssh.dial.dial`.
        :raises LinkError: as :func:`~fleetctl.link.ssh.dial.dial`.
        """
        dialing = self._dialing.pop(name, None)
        if dialing:
            try:
                found = await asyncio.shield(dialing)
            except BaseException:
                await _drop(dialing)
                raise
            if found and found[0] == (host, port, family):
                return found[1]
            await _drop(dialing)
        return await dial(name, host, port, family, deadline)

    async def close(self) -> None:
        """Close the connections that nobody took, and make no more of them."""
        self._over = True
        dialing, self._dialing = list(self._dialing.values()), {}
        await asyncio.gather(*map(_drop, dialing))


async def _drop(dialing: asyncio.Task[_Dialed | None]) -> None:
    dialing.cancel()
    (found,) = await asyncio.gather(dialing, return_exceptions=True)
    if found and not isinstance(found, BaseException):
        found[1].close()
