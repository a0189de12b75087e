"""Connections to jump hosts: one to each, which all nodes behind it use.

sshd drops logins at random above ``MaxStartups`` (10 by default), and each costs both sides
processor time: more than ten nodes behind a jump host must not each open their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

import asyncssh

from fleetctl.link.ssh.link import SSHLink


class Jump:
    """The use of a connection to a jump host; the last one to :meth:`close` closes it."""

    def __init__(self, opening: asyncio.Task[SSHLink]) -> None:
        self._opening = opening
        self._users = 0

    @property
    def over(self) -> bool:
        """It failed or was lost, so that a new one must be opened."""
        task = self._opening
        if not task.done():
            return False
        return task.cancelled() or task.exception() is not None or task.result().closed

    @property
    def used(self) -> bool:
        return self._users > 0

    @property
    def link(self) -> SSHLink:
        return self._opening.result()

    async def enter(self) -> None:
        """Count one user more, once it is open.

        :raises LinkError: it cannot be opened.
        """
        self._users += 1
        try:
            await asyncio.shield(self._opening)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        self._users -= 1
        if self._users:
            return
        self._opening.cancel()
        result = (await asyncio.gather(self._opening, return_exceptions=True))[0]
        if isinstance(result, SSHLink):
            await result.close()


class Through:
    """The use of a connection to a node that somebody else keeps.

    :param answer_s: so long the far end has to accept a connection.
    """

    def __init__(self, link: SSHLink, answer_s: float) -> None:
        self.link = link
        self._answer_s = answer_s

    async def create_connection(self, factory: Any, host: str, port: int) -> Any:
        """As asyncssh's, for a tunnel.

        :raises asyncssh.ChannelOpenError: nothing accepts it there, or not in time.
        """
        try:
            async with asyncio.timeout(self._answer_s):
                return await self.link.connection.create_connection(factory, host, port)
        except TimeoutError:
            why = f"no answer within {self._answer_s:g} s"
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, why) from None

    async def close(self) -> None:
        """It stays open."""


class Jumps:
    """The jump hosts that are in use."""

    def __init__(self) -> None:
        self._jumps: dict[Hashable, Jump] = {}

    async def get(self, key: Hashable, connect: Callable[[], Awaitable[SSHLink]]) -> Jump:
        """The jump host ``key``, which ``connect`` opens if it is not in use.

        :raises LinkError: it cannot be reached.
        """
        jump = self._jumps.get(key)
        if jump is None or jump.over or not jump.used:
            jump = self._jumps[key] = Jump(asyncio.ensure_future(connect()))
        await jump.enter()
        return jump
