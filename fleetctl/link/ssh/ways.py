"""The ways to the nodes of a fleet: directly, and where no direct way answers, through another node
that shares a network for data with it.

The second way is never taken in place of an answer: a host key, a login or a configuration that is
refused is the node's error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from functools import cached_property, partial
from typing import Any

from fleetctl.errors import ConnectFailed, ConnectRefused, ConnectTimedOut, LinkError
from fleetctl.link.neighbours import Neighbour, Routes, neighbours, routes
from fleetctl.link.ssh.connect import Connector
from fleetctl.link.ssh.link import SSHLink
from fleetctl.link.ssh.side_by_side import first
from fleetctl.link.ssh.way_in import Trying
from fleetctl.model.expectations import derive
from fleetctl.model.topology import Fleet, Node
from fleetctl.quantities import listed

HEAD_START_S = 2.0
"""So long only the direct way is tried, while it is silent."""
MOST_NEIGHBOURS = 3
KNOWN_SILENT_S = 30.0
"""So long a node that did not answer directly is no neighbour to go through, and its own second way
needs no head start."""
ANSWER_S = 3.0
"""So long, at most, a node has to accept a connection from its neighbours."""
_LEAST_S = 1.0
BACK_EVERY_S = 30.0
"""Interval at which the direct way is tried again, for as long as the second one is used."""
_NEIGHBOURS_OPEN_S = 1.0
"""So long neighbours that are being connected to are waited for."""

_UNSHARED = -1
"""A lane of nobody's."""

_Opening = asyncio.Task[SSHLink]


class Ways:
    """Opens links, and keeps those that others go through.

    :param connector: connects directly.
    """

    def __init__(self, fleet: Fleet, connector: Connector) -> None:
        self._fleet = fleet
        self._connector = connector
        self._direct: dict[str, _Opening] = {}
        """By node: its first direct connection, or the attempt."""
        self._trying: dict[str, Trying] = {}
        """By node: how far that is."""
        self._silent_s: dict[str, float] = {}
        """By node: when, by the loop's clock, it last did not answer directly."""
        self._second: list[SSHLink] = []
        """Those that go through another node."""
        self._gates: list[SSHLink] = []
        """Those that only others go through; they stay open."""
        self._back: asyncio.Task[None] | None = None

    async def open(self, node: Node, lane: int = 0) -> SSHLink:
        """A link to ``node``.

        :param lane: of the first one, the direct connection is shared with those that go through
            the node.
        :raises LinkError: it cannot be reached in any way.
        """
        shared = lane == 0
        trying = Trying()
        if shared:
            direct = self._attempt(node)
            trying = self._trying[node.name]
        else:
            direct = _begun(self._connect(node, trying))
        found: SSHLink | None = None
        try:
            found = await self._either(node, direct, trying)
        finally:
            if not direct.done():  # its end is not awaited: those that go through it see it
                direct.cancel()
            elif not shared and _is_open(direct) and direct.result() is not found:
                await direct.result().close()
        return found

    @cached_property
    def _routes(self) -> Routes:
        return routes(derive(self._fleet))

    def _neighbours(self, node: Node) -> Sequence[Neighbour]:
        if not (node.ssh.second_way and node.addresses):
            return ()
        return neighbours(self._fleet, self._routes, node.name)

    # the direct way

    async def _connect(self, node: Node, trying: Trying) -> SSHLink:
        try:
            link = await self._connector.connect(node, trying=trying)
        except LinkError as error:
            if unanswered(error):
                self._silent_s[node.name] = asyncio.get_running_loop().time()
            raise
        self._silent_s.pop(node.name, None)
        return link

    def _attempt(self, node: Node) -> _Opening:
        """The direct connection that is open, or being opened, or a new attempt."""
        task = self._direct.get(node.name)
        if task is None or (task.done() and not _is_open(task)):
            trying = self._trying[node.name] = Trying()
            task = self._direct[node.name] = _begun(self._connect(node, trying))
        return task

    def _was_silent(self, name: str) -> bool:
        at_s = self._silent_s.get(name)
        return at_s is not None and asyncio.get_running_loop().time() - at_s < KNOWN_SILENT_S

    # both

    async def _either(self, node: Node, direct: _Opening, trying: Trying) -> SSHLink:
        """
        :raises LinkError: the direct way's error, also of what the neighbours say.
        """
        await self._head_start(node, direct, trying)
        if direct.done() and not _unanswered(direct):
            return _result(node, direct)
        near = self._neighbours(node)
        if not (near or self._jump(node)):
            await asyncio.wait({direct})
            return _result(node, direct)
        second = _begun(self._by_neighbours(node, near))
        found: SSHLink | None = None
        try:
            await asyncio.wait({direct, second}, return_when=asyncio.FIRST_COMPLETED)
            if not direct.done() and (trying.heard or second.exception()):
                await asyncio.wait({direct})
            if direct.done() and not _unanswered(direct):
                return _result(node, direct)
            await asyncio.wait({second})
            why = direct.exception() if direct.done() and not direct.cancelled() else None
            found = self._went_round(node, second, why if isinstance(why, LinkError) else None)
            return found
        finally:
            await _given_up(second)
            if _is_open(second) and second.result() is not found:
                await second.result().close()

    async def _head_start(self, node: Node, direct: _Opening, trying: Trying) -> None:
        """Wait until the direct way has ended, or was silent for long enough. A machine that has
        accepted the connection is not silent, however slow it is."""
        begun = asyncio.create_task(trying.begun.wait())
        try:
            await asyncio.wait({direct, begun}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            begun.cancel()
        head_start_s = 0.0 if self._was_silent(node.name) else HEAD_START_S
        await asyncio.wait({direct}, timeout=min(head_start_s, node.ssh.connect_timeout_s / 2))
        if trying.heard:
            await asyncio.wait({direct})

    def _went_round(self, node: Node, second: _Opening, why: LinkError | None) -> SSHLink:
        """
        :param why: the direct way's error; None: it was not waited for.
        """
        now_s = asyncio.get_running_loop().time()
        if why is None:
            self._silent_s[node.name] = now_s
            places = " or ".join(node.ssh.hosts)
            why = ConnectTimedOut(node.name, f"no answer from {places} within {HEAD_START_S:g} s")
        error = second.exception()
        if isinstance(error, LinkError):
            raise _neither(why, error) from None
        link = second.result()
        link.bypassed = why.reason
        self._second = [*(one for one in self._second if not one.closed), link]
        if self._back is None or self._back.done():
            self._back = asyncio.create_task(self._go_back())
        return link

    # the second way

    async def _by_neighbours(self, node: Node, near: Sequence[Neighbour]) -> SSHLink:
        """
        :raises LinkError: no neighbour reaches it.
        """
        deadline = asyncio.get_running_loop().time() + min(ANSWER_S, node.ssh.connect_timeout_s / 2)
        failed: set[str] = set()
        tries: list[Callable[[], Coroutine[Any, Any, SSHLink]]] = []
        if gate := self._jump(node):
            tries.append(partial(self._by_its_jump, node, gate))
        await self._settled(one.node for one in near)
        ready = [one for one in near if self._is_open(one.node)]
        others = [one for one in near if one not in ready and not self._was_silent(one.node)]
        chosen = [*ready, *others][:MOST_NEIGHBOURS]
        tries += [partial(self._by_way_of, node, one, deadline, failed) for one in chosen]
        if not tries:
            raise _NoNeighbour(node.name, "no neighbour is reached directly")
        try:
            return await first(node.name, tries, SSHLink.close)
        except LinkError as error:
            if failed and isinstance(error, ConnectFailed | ConnectTimedOut) and error.silent:
                which = listed([one.node for one in chosen if one.node in failed])
                raise ConnectFailed(node.name, f"{which} cannot reach it either") from None
            raise

    def _jump(self, node: Node) -> Node | None:
        """The node that nodes.yaml has as its jump host, if that is not reached directly."""
        gate = self._fleet.nodes.get(node.ssh.proxy_jump or "")
        wanted = node.ssh.second_way and gate and gate.ssh.second_way
        return gate if wanted and gate and not self._is_open(gate.name) else None

    async def _by_its_jump(self, node: Node, gate: Node) -> SSHLink:
        """Through its own jump host, that is reached by a second way itself."""
        through = await self.open(gate, _UNSHARED)
        try:
            self._gates.append(through)
            self._second = [link for link in self._second if link is not through]
            if not through.via:
                raise _NoNeighbour(node.name, f"{gate.name} is reached directly")
            link = await self._connector.connect_by(node, through, "", answer_s=ANSWER_S)
        except BaseException:
            await through.close()
            raise
        link.via = gate.name
        link.carrying = through.carrying
        return link

    async def _settled(self, names: Iterable[str]) -> None:
        """Wait a moment for the neighbours that are being connected to, until one is."""
        attempts = {task for name in names if (task := self._direct.get(name))}
        with suppress(TimeoutError):
            async with asyncio.timeout(_NEIGHBOURS_OPEN_S):
                while attempts and not any(map(_is_open, attempts)):
                    attempts = {task for task in attempts if not task.done()}
                    if attempts:
                        await asyncio.wait(attempts, return_when=asyncio.FIRST_COMPLETED)

    def _is_open(self, name: str) -> bool:
        task = self._direct.get(name)
        here = self._fleet.nodes[name].connection == "local"
        return here or (task is not None and _is_open(task))

    async def _by_way_of(
        self, node: Node, neighbour: Neighbour, deadline: float, failed: set[str]
    ) -> SSHLink:
        """
        :param deadline: by the loop's clock: the node has to accept a connection until then, or a
            moment later where the neighbour was not connected before.
        :param failed: gets the neighbours that do not reach it.
        """
        gate = self._fleet.nodes[neighbour.node]
        through: SSHLink | None = None
        if gate.connection == "ssh":
            attempt = self._attempt(gate)
            await asyncio.wait({attempt})
            try:
                through = _result(gate, attempt)
            except LinkError as error:
                why = f"{gate.name} is not reached: {error.reason}"
                raise _NoNeighbour(node.name, why) from None
        answer_s = max(deadline - asyncio.get_running_loop().time(), _LEAST_S)
        try:
            link = await self._connector.connect_by(
                node, through, str(neighbour.address), answer_s=answer_s
            )
        except LinkError as error:
            if error.silent:
                failed.add(gate.name)
            raise
        link.via = gate.name
        link.carrying = neighbour.carrying
        return link

    def carried(self, name: str) -> frozenset[str]:
        """The networks on which ``name`` carries connections to other nodes, or its own, by a
        second way."""
        return frozenset(
            network
            for link in self._second
            if not link.closed
            for node, network in link.carrying
            if node == name
        )

    # back

    async def _go_back(self) -> None:
        """Try the direct ways again as long as second ones are used; a link that has a better one
        by then is outdated."""
        while used := {link.node for link in self._second if not (link.closed or link.outdated)}:
            await asyncio.sleep(BACK_EVERY_S)
            await asyncio.gather(*map(self._try_directly, used))

    async def _try_directly(self, name: str) -> None:
        attempt = self._attempt(self._fleet.nodes[name])
        await asyncio.wait({attempt})
        if _is_open(attempt):
            for link in self._second:
                if link.node == name:
                    await link.retire()

    async def close(self) -> None:
        """End every connection that is kept here."""
        if self._back:
            self._back.cancel()
            await asyncio.gather(self._back, return_exceptions=True)
        tasks, self._direct = list(self._direct.values()), {}
        await asyncio.gather(*map(_given_up, tasks))
        await asyncio.gather(*(link.close() for link in (*self._second, *self._gates)))
        await asyncio.gather(*(task.result().close() for task in tasks if _is_open(task)))


class _NoNeighbour(ConnectFailed):
    """A second way that does not begin: it says nothing of the node."""


def unanswered(error: BaseException | None) -> bool:
    """Whether an error means that no SSH server was heard, so that another way may lead there."""
    return isinstance(error, ConnectRefused) or (isinstance(error, LinkError) and error.silent)


def _unanswered(task: _Opening) -> bool:
    return task.cancelled() or unanswered(task.exception())


def _neither(direct: LinkError, second: LinkError) -> LinkError:
    if isinstance(second, _NoNeighbour):
        return direct
    how = "" if second.silent else "through another node: "
    reason = f"{direct.reason}; {how}{second.reason}"
    whole = type(direct)(direct.node, reason, hint=direct.hint, silent=direct.silent)
    whole.through = direct.through
    return whole


def _result(node: Node, task: _Opening) -> SSHLink:
    """
    :raises LinkError: it failed, or was given up by those that began it.
    """
    if task.cancelled():
        raise ConnectTimedOut(node.name, "it does not answer directly")
    return task.result()


def _is_open(task: _Opening) -> bool:
    succeeded = task.done() and not task.cancelled() and task.exception() is None
    return succeeded and not task.result().closed


def _begun(opening: Coroutine[Any, Any, SSHLink]) -> _Opening:
    task = asyncio.create_task(opening)
    # what nobody waits for any more is no error of the event loop
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    return task


async def _given_up(task: _Opening) -> None:
    """End an attempt."""
    if not task.done():
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
