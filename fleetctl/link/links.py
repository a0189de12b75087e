"""The fleet's links: one per node, opened when first needed, and again after a loss."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fleetctl.errors import LinkError
from fleetctl.link.local import LocalLink
from fleetctl.link.mistakes import of_node
from fleetctl.link.protocol import Link
from fleetctl.link.warm.place import is_there
from fleetctl.loading import uncollected
from fleetctl.model.topology import Fleet, Node

if TYPE_CHECKING:
    from fleetctl.link.ssh.ahead import Ahead
    from fleetctl.link.ssh.ways import Ways
    from fleetctl.link.warm.client import Warm


class Links:
    """Use as an async context manager; leaving it closes every link.

    :param warm: use the connections of a `fleetctl serve` of this user, where it has them.
    """

    def __init__(self, fleet: Fleet, *, warm: bool = False) -> None:
        self._fleet = fleet
        self._may_be_warm = warm
        self._warm: Warm | None = None
        self._own: set[str] = set()
        """Nodes to which this has connections of its own."""
        self._opening: dict[tuple[str, int], asyncio.Task[Link]] = {}
        self._ahead: Ahead | None = None
        self._ways: Ways | None = None
        self.can_log_in = asyncio.Event()
        """Once the first login by SSH can begin."""

    async def __aenter__(self) -> Links:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def get(self, node: str, lane: int = 0) -> Link:
        """The link to ``node``; all callers share one connection.

        :param lane: each lane has its own connection, for callers that keep channels open for long;
            sshd allows only about ten channels on a connection.

        :raises LinkError: it cannot be reached; the next call tries again.
        """
        task = self._opening.get((node, lane))
        if task is not None and not self._is_over(task):
            return await asyncio.shield(task)
        lost, task = task, asyncio.create_task(self._open(self._fleet.nodes[node], lane))
        self._opening[node, lane] = task
        try:
            return await asyncio.shield(task)
        finally:
            if lost and not lost.cancelled() and lost.exception() is None:
                link = lost.result()
                if link.closed:  # and not only outdated
                    await link.close()  # it no longer uses a jump host

    @staticmethod
    def _is_over(task: asyncio.Task[Link]) -> bool:
        if not task.done():
            return False
        if task.cancelled() or task.exception() is not None:
            return True
        return task.result().closed or task.result().outdated

    async def _open(self, node: Node, lane: int) -> Link:
        if node.connection == "none":
            raise LinkError(node.name, "cannot be logged into (connection: none)")
        warm = self._server()
        if warm and node.connection != "local" and (link := await warm.link(node.name)):
            return link
        self._own.add(node.name)
        if node.connection == "local":
            return LocalLink(node.name)
        if self._ways is None:
            await self._begin(node)
        if self._ways is None:
            # asyncssh is slow to import, and local fleets do not need it
            with uncollected():
                from fleetctl.link.ssh.connect import Connector
                from fleetctl.link.ssh.ways import Ways

            self._ways = Ways(self._fleet, Connector(self._fleet.nodes, self._ahead))
            self.can_log_in.set()
        with of_node(node.name):
            return await self._ways.open(node, lane)

    async def _begin(self, node: Node) -> None:
        """Let the server of ``node`` get ready while asyncssh is imported."""
        if self._ahead is None:
            with uncollected():
                from fleetctl.link.ssh.ahead import Ahead

            self._ahead = Ahead()
        await self._ahead.begin(node)

    def _server(self) -> Warm | None:
        """What a `fleetctl serve` is asked by; None: there is none, or none is wanted."""
        if self._warm is None and self._may_be_warm and is_there(self._fleet.name):
            from fleetctl.link.warm.client import Warm  # slow to import, and mostly not needed

            self._warm = Warm(self._fleet)
        return self._warm

    def carried(self, node: str) -> frozenset[str]:
        """The networks on which ``node`` carries connections by a second way, its own or those of
        others."""
        by_server = self._warm.carried(node) if self._warm else frozenset()
        return by_server | (self._ways.carried(node) if self._ways else frozenset())

    def open_now(self, node: str) -> Link | None:
        """The link to ``node`` that is open already; None: there is none, or it is lost."""
        task = self._opening.get((node, 0))
        if task is None or not task.done() or self._is_over(task):
            return None
        return task.result()

    def controller(self) -> Link:
        """A link to this machine, to ask for what nodes cannot be asked."""
        return LocalLink("controller")

    async def close(self) -> None:
        tasks, self._opening = list(self._opening.values()), {}
        for task in tasks:
            task.cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(f.close() for f in found if not isinstance(f, BaseException)))
        if self._ways:
            await self._ways.close()
        if self._ahead:
            await self._ahead.close()
        if warm := self._server() if self._own else self._warm:
            if self._own:
                await warm.touched(tuple(sorted(self._own)))
            await warm.close()
