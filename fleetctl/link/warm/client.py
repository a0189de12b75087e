"""Links over the connections of a server; see :mod:`fleetctl.serve`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec

from fleetctl.errors import LinkHung, LinkLost
from fleetctl.link.protocol import (
    ANSWER_BYTES,
    Completed,
    ForwardingForbidden,
)
from fleetctl.link.warm import frames
from fleetctl.link.warm.messages import (
    Connect,
    Connected,
    Failure,
    Hold,
    Open,
    OpenTerminal,
    Operation,
    Request,
    Run,
    Touched,
    Wanted,
    nodes_digest,
)
from fleetctl.link.warm.place import connected
from fleetctl.link.warm.streams import BEGIN_S, WarmStream
from fleetctl.model.topology import Fleet

ANSWER_S = 2.0
"""How long the server may take to say whether it does something. One that is slower is not asked
again."""
MOST_STDIN_BYTES = 8 * 1024 * 1024
"""Of what :meth:`WarmLink.run` can give a script."""
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Refused(Exception):
    """The server does not do it, or there is none."""


class Warm:
    """The server of ``fleet``, as far as there is one."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._digest = nodes_digest(fleet)
        self._holding: asyncio.Task[Ends | None] | None = None
        self._mute = False
        """It did not answer in time."""
        self._carried: dict[str, tuple[str, ...]] = {}

    @property
    def alive(self) -> bool:
        """It was there, and was not seen to end."""
        task = self._holding
        if task is None or not task.done() or task.cancelled() or (ends := task.result()) is None:
            return False
        return not ends[0].at_eof()

    async def link(self, node: str) -> WarmLink | None:
        """A link over the server's connection to ``node``; None: it has none, or there is none."""
        if self._mute or not await self._held():
            return None
        try:
            _, writer, answer = await self._ask(Wanted(node))
        except _Refused:
            return None
        writer.close()
        told = msgspec.msgpack.decode(answer, type=Connected)
        self._carried = told.carried
        return WarmLink(self, node, told)

    def carried(self, node: str) -> frozenset[str]:
        """See :meth:`fleetctl.link.links.Links.carried`."""
        return frozenset(self._carried.get(node, ()))

    async def touched(self, nodes: tuple[str, ...]) -> None:
        """Tell it that ``nodes`` were asked over other connections; never raises."""
        if not self._mute:
            with suppress(_Refused):
                _, writer, _ = await self._ask(Touched(nodes))
                writer.close()

    async def _held(self) -> bool:
        """Whether there is a server; the connection that says so is kept."""
        if self._holding is None or (self._holding.done() and not self.alive):
            self._holding = asyncio.create_task(self._hold())
        await asyncio.shield(self._holding)
        return self.alive

    async def _hold(self) -> Ends | None:
        with suppress(_Refused):
            reader, writer, _ = await self._ask(Hold())
            return reader, writer
        return None

    async def open(self, operation: Operation, node: str) -> Ends:
        """The connection for an operation that was asked for.

        :raises LinkLost: there is no server any more.
        """
        try:
            reader, writer = await self._request(operation)
        except _Refused as error:
            raise lost(node, str(error)) from None
        return reader, writer

    async def _request(self, operation: Operation) -> Ends:
        """:raises _Refused: nobody listens."""
        connection = connected(self._fleet.name, ANSWER_S)
        if connection is None:
            raise _Refused("it has ended")
        plain = socket.socket(fileno=connection.detach())
        plain.setblocking(False)
        request = Request(frames.VERSION, self._digest, operation)
        try:
            reader, writer = await asyncio.open_unix_connection(sock=plain, limit=frames.PIECE)
            writer.write(frames.framed(frames.REQUEST, msgspec.msgpack.encode(request)))
        except OSError as error:
            plain.close()
            raise _Refused(str(error)) from None
        return reader, writer

    async def _ask(self, operation: Operation) -> tuple[*Ends, bytes]:
        """Ask for something that is answered at once.

        :raises _Refused: it is not done, or not answered.
        """
        reader, writer = await self._request(operation)
        try:
            async with asyncio.timeout(ANSWER_S):
                kind, answer = await frames.read(reader)
            if kind != frames.GRANTED:
                raise _Refused(answer.decode("utf-8", "replace"))
        except (TimeoutError, frames.Broken):
            self._mute = True
            writer.close()
            raise _Refused("it does not answer") from None
        except BaseException:
            writer.close()
            raise
        return reader, writer, answer

    async def close(self) -> None:
        """End the connection that is kept; never raises."""
        task, self._holding = self._holding, None
        if task is None:
            return
        task.cancel()
        found = (await asyncio.gather(task, return_exceptions=True))[0]
        if found is not None and not isinstance(found, BaseException):
            found[1].close()


def lost(node: str, why: str) -> LinkLost:
    return LinkLost(
        node,
        f"the connection of fleetctl serve broke ({why})",
        hint="Ask again: the next command connects by itself.",
        silent=False,
    )


class WarmLink:
    """Implements :class:`fleetctl.link.protocol.Link` by a server's connection."""

    def __init__(self, warm: Warm, node: str, told: Connected) -> None:
        self._warm = warm
        self.node = node
        self.address = told.address
        self.connect_ms = told.connect_ms
        self.shell_s = told.shell_s
        self.ignored = told.ignored
        self.via = told.via
        self.bypassed = told.bypassed
        self.outdated = False
        self._lost = False

    @property
    def closed(self) -> bool:
        return self._lost or not self._warm.alive

    def broken(self, why: str) -> LinkLost:
        """The error for a server that is gone; this link is closed by it."""
        self._lost = True
        return lost(self.node, why)

    def failed(self, said: bytes) -> Exception:
        """The error that the server tells of."""
        failure = msgspec.msgpack.decode(said, type=Failure)
        if failure.kind == "ForwardingForbidden":
            return ForwardingForbidden(failure.reason)
        if failure.kind == "OSError":
            return ConnectionError(failure.reason)
        error = failure.error(self.node)
        self._lost = self._lost or isinstance(error, LinkLost)
        return error

    async def run(
        self,
        script: str,
        *,
        stdin: bytes = b"",
        timeout_s: float,
        most_bytes: int = ANSWER_BYTES,
    ) -> Completed:
        if len(stdin) > MOST_STDIN_BYTES:
            raise ValueError(f"{len(stdin)} bytes of input; stream takes more")
        asked = Run(self.node, encoded(script), stdin, timeout_s, most_bytes)
        within_s = timeout_s + BEGIN_S
        reader, writer = await self._open(asked)
        try:
            async with asyncio.timeout(within_s):
                kind, said = await frames.read(reader, most_bytes + frames.MOST_BYTES)
        except TimeoutError:
            raise LinkHung(
                self.node,
                f"fleetctl serve did not answer within {within_s:g} s",
                hint="End that process; the next command connects by itself.",
            ) from None
        except frames.Broken as error:
            raise self.broken(str(error)) from None
        finally:
            writer.close()
        if kind == frames.GRANTED:
            return msgspec.msgpack.decode(said, type=Completed)
        raise self.failed(said) if kind == frames.FAILED else self.broken(_text(said))

    async def _open(self, operation: Operation) -> Ends:
        try:
            return await self._warm.open(operation, self.node)
        except LinkLost:
            self._lost = True
            raise

    @asynccontextmanager
    async def stream(
        self, script: str, *, both: bool = False, unmarked: bool = False
    ) -> AsyncIterator[WarmStream]:
        ends = await self._open(Open(self.node, encoded(script), both, unmarked))
        async with WarmStream(self, *ends, both=both) as stream:
            yield stream

    @asynccontextmanager
    async def terminal(
        self, script: str, *, term: str, columns: int, rows: int
    ) -> AsyncIterator[WarmStream]:
        ends = await self._open(OpenTerminal(self.node, encoded(script), term, columns, rows))
        async with WarmStream(self, *ends, both=False) as stream:
            yield stream

    async def open_connection(
        self, host: str, port: int, *, timeout_s: float
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(timeout_s):
            reader, writer = await self._open(Connect(self.node, host, port, timeout_s))
            try:
                kind, said = await frames.read(reader)
                if kind == frames.FAILED:
                    raise self.failed(said)
                if kind != frames.GRANTED:
                    raise self.broken(_text(said))
            except frames.Broken as error:
                writer.close()
                raise self.broken(str(error)) from None
            except BaseException:
                writer.close()
                raise
            return reader, writer

    async def close(self) -> None:
        """The connection is the server's."""


def encoded(script: str) -> bytes:
    return script.encode("utf-8", "surrogateescape")


def _text(said: bytes) -> str:
    return said.decode("utf-8", "replace")
