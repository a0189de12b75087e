"""A port here that leads to a port of a node, through the SSH connection to it."""

from __future__ import annotations

import asyncio
import errno
from contextlib import AsyncExitStack, suppress
from typing import Protocol, Self

from fleetctl.errors import FleetctlError, LinkError, UsageError
from fleetctl.link.links import Links
from fleetctl.link.mistakes import of_node
from fleetctl.link.protocol import ForwardingForbidden, Link
from fleetctl.model.pages import Page
from fleetctl.observe.listening import where_it_listens
from fleetctl.observe.on_node import NoTool
from fleetctl.observe.relay import Relayed, relayed

HERE = "127.0.0.1"
CONNECT_TIMEOUT_S = 10.0
CONNECTIONS = 64
"""At once; more of them wait."""
_CHUNK = 64 * 1024
_REFUSAL = (
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
    "Refresh: 2\r\nCache-Control: no-store\r\nConnection: close\r\nContent-Length: {}\r\n\r\n"
)

RELAYS = 8
"""At once, where the node's SSH server forwards no connections: each is a channel, of which it
allows about ten on one connection; more of them wait."""
_LANE = 1000
"""Of the connection that is for the relays of port 0; each page has its own."""
HALF_S = 10.0
"""How long an answer may still go on where the page cannot be told that its client has said all."""


class _Source(Protocol):
    async def read(self, _most: int, /) -> bytes: ...


class _Sink(Protocol):
    def write(self, data: bytes, /) -> None: ...
    async def drain(self) -> None: ...
    def write_eof(self) -> None: ...
    def close(self) -> None: ...


_Ends = tuple[_Source, _Sink]


class NotThere(FleetctlError):
    """The node is reached, but not the page."""


class PageTunnel:
    """Implements :class:`fleetctl.undertakings.Tunnel`; an async context manager."""

    def __init__(self, links: Links, page: Page, wanted: int | None) -> None:
        self.page = page
        self._links = links
        self._wanted = wanted
        self._host: str | None = None
        self._port = 0
        self._room = asyncio.Semaphore(CONNECTIONS)
        self._relays = asyncio.Semaphore(RELAYS)
        self._open: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://{HERE}:{self._port}"

    async def __aenter__(self) -> Self:
        self._server = await self._listen()
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _listen(self) -> asyncio.Server:
        """
        :raises UsageError: the port that is wanted is not free.
        """
        try:
            return await asyncio.start_server(self._begin, HERE, self._wanted or self.page.port)
        except OSError as error:
            if self._wanted:
                why = "is in use" if error.errno == errno.EADDRINUSE else error.strerror
                raise UsageError(
                    f"port {self._wanted} of this machine: {why}", hint="Take another --port."
                ) from None
            return await asyncio.start_server(self._begin, HERE, 0)

    async def look(self) -> str:
        """Why the page cannot be reached now, as a clause; empty: a connection was made."""
        try:
            async with AsyncExitStack() as stack:
                await self._connect(stack)
        except (LinkError, NotThere) as error:
            return str(error)
        return ""

    async def _connect(self, stack: AsyncExitStack) -> _Ends:
        """Both ends of a connection to the page, until ``stack`` is closed.

        :raises LinkError: the node cannot be reached.
        :raises NotThere: its port cannot.
        """
        instance, port = self.page.instance, self.page.port
        with of_node(instance.node):
            link = await self._links.get(instance.node)
            before, self._host = self._host, None
            if before:
                with suppress(OSError, TimeoutError, NoTool):
                    return await self._dial(stack, link, before)
            host = await where_it_listens(link, port, instance.listen)
            if host is None:
                raise NotThere(f"nothing listens on port {port} of {instance.node} yet")
            try:
                return await self._dial(stack, link, host)
            except NoTool:
                raise NotThere(
                    f"a tunnel needs TCP forwarding, which sshd on {instance.node} forbids, or "
                    "python3, bash or nc there, of which there is none",
                    hint="Allow it in its sshd_config: AllowTcpForwarding local.",
                ) from None
            except (OSError, TimeoutError) as error:
                why = str(error) or f"no answer within {CONNECT_TIMEOUT_S:g} s"
                raise NotThere(
                    f"{instance.node} cannot connect to its {host}:{port}: {why}"
                ) from None

    async def _dial(self, stack: AsyncExitStack, link: Link, host: str) -> _Ends:
        port = self.page.port
        try:
            reader, writer = await link.open_connection(host, port, timeout_s=CONNECT_TIMEOUT_S)
        except ForwardingForbidden:
            async with AsyncExitStack() as made:  # nothing is kept of one that fails
                await made.enter_async_context(self._relays)
                own = await self._links.get(self.page.instance.node, _LANE + port)
                relay = await made.enter_async_context(relayed(own, host, port, CONNECT_TIMEOUT_S))
                stack.push_async_exit(made.pop_all())
            self._host = host
            return relay, relay
        stack.callback(writer.close)
        self._host = host
        return reader, writer

    async def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection; the server runs this as a task."""
        task = asyncio.current_task()
        assert task
        self._open.add(task)
        try:
            async with self._room:
                await self._serve(reader, writer)
        except asyncio.CancelledError:
            pass  # the tunnel is closed; asyncio would print it
        finally:
            self._open.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with AsyncExitStack() as stack:
            try:
                there, to_there = await self._connect(stack)
            except (LinkError, NotThere) as error:
                await self._refuse(error, reader, writer)
                return
            both = [
                asyncio.create_task(_pass_on(reader, to_there)),
                down := asyncio.create_task(_pass_on(there, writer)),
            ]
            try:
                done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                if any(task.exception() for task in done):
                    return  # what one end raises is that it is gone, and ends the other
                if isinstance(there, Relayed) and not there.halves:
                    await asyncio.wait([down], timeout=HALF_S)
                else:
                    await asyncio.wait(both)
            finally:
                for task in both:
                    task.cancel()
                await asyncio.gather(*both, return_exceptions=True)

    async def _refuse(
        self, error: Exception, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Tell the browser why the page is not there."""
        text = f"{self.page.name}: {error}\nThis page is loaded again every two seconds.\n"
        writer.write(_REFUSAL.format(len(text.encode())).encode() + text.encode())
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await writer.drain()
                writer.write_eof()
                while await reader.read(_CHUNK):  # closed with unread bytes, it would be reset
                    pass


async def _pass_on(reader: _Source, writer: _Sink) -> None:
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except BaseException:
        writer.close()
        raise
