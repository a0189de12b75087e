"""A port here that leads to a port of a node, through the SSH connection to it."""

from __future__ import annotations

import asyncio
import errno
from contextlib import suppress
from typing import Self

from fleetctl.errors import FleetctlError, LinkError, UsageError
from fleetctl.link.links import Links
from fleetctl.link.mistakes import of_node
from fleetctl.link.protocol import ForwardingForbidden, Link
from fleetctl.model.pages import Page
from fleetctl.observe.listening import where_it_listens

HERE = "127.0.0.1"
CONNECT_TIMEOUT_S = 10.0
CONNECTIONS = 64
"""At once; more of them wait."""
_CHUNK = 64 * 1024
_REFUSAL = (
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
    "Refresh: 2\r\nCache-Control: no-store\r\nConnection: close\r\nContent-Length: {}\r\n\r\n"
)

_Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


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
            _, writer = await self._connect()
        except (LinkError, NotThere) as error:
            return str(error)
        writer.close()
        return ""

    async def _connect(self) -> _Ends:
        """
        :raises LinkError: the node cannot be reached.
        :raises NotThere: its port cannot.
        """
        instance, port = self.page.instance, self.page.port
        with of_node(instance.node):
            link = await self._links.get(instance.node)
            before, self._host = self._host, None
            if before:
                with suppress(OSError, TimeoutError):
                    return await self._dial(link, before)
            host = await where_it_listens(link, port, instance.listen)
            if host is None:
                raise NotThere(f"nothing listens on port {port} of {instance.node} yet")
            try:
                return await self._dial(link, host)
            except ForwardingForbidden:
                raise NotThere(
                    f"a tunnel needs TCP forwarding, which sshd on {instance.node} forbids",
                    hint="Allow it in its sshd_config: AllowTcpForwarding local.",
                ) from None
            except (OSError, TimeoutError) as error:
                why = str(error) or f"no answer within {CONNECT_TIMEOUT_S:g} s"
                raise NotThere(
                    f"{instance.node} cannot connect to its {host}:{port}: {why}"
                ) from None

    async def _dial(self, link: Link, host: str) -> _Ends:
        ends = await link.open_connection(host, self.page.port, timeout_s=CONNECT_TIMEOUT_S)
        self._host = host
        return ends

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
        try:
            there, to_there = await self._connect()
        except (LinkError, NotThere) as error:
            text = f"{self.page.name}: {error}\nThis page is loaded again every two seconds.\n"
            writer.write(_REFUSAL.format(len(text.encode())).encode() + text.encode())
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await writer.drain()
                    writer.write_eof()
                    while await reader.read(_CHUNK):  # closed with unread bytes, it would be reset
                        pass
            return
        try:
            # what one end raises is that it is gone, and ends the other
            await asyncio.gather(
                _pass_on(reader, to_there), _pass_on(there, writer), return_exceptions=True
            )
        finally:
            to_there.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except BaseException:
        writer.close()
        raise
