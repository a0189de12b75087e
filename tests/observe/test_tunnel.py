"""A tunnel to a web page, through a link to this machine and real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from fleetctl.errors import LinkError, UsageError
from fleetctl.link.links import Links
from fleetctl.link.protocol import Link
from fleetctl.model.pages import Page, pages
from fleetctl.model.topology import SSH, Fleet, Node
from fleetctl.observe.tunnel import PageTunnel
from tests.launch.jobs import instance

FLEET = Fleet("f", {}, {"here": Node("here", SSH("here"), connection="local")})


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@asynccontextmanager
async def echo(host: str, port: int) -> AsyncIterator[None]:
    """A server that sends back what it got, in upper case, once its client has said all."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, host, port)
    try:
        yield
    finally:
        server.close()


async def say(url: str, text: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    writer.write(text)
    writer.write_eof()
    said = await reader.read()
    writer.close()
    return said


Body = Callable[[Links, Page], Awaitable[None]]


def on_a_page(body: Body, **more: object) -> None:
    async def run() -> None:
        (page,) = pages([instance("view", "here", web=(free_port(),), **more)])
        async with asyncio.timeout(20), Links(FLEET) as links:
            await body(links, page)

    asyncio.run(run())


def test_bytes_go_both_ways_and_the_page_is_found_wherever_it_listens() -> None:
    async def body(links: Links, page: Page) -> None:
        payload = b"x" * 3_000_000
        async with PageTunnel(links, page, free_port()) as tunnel:
            for host in ("127.0.0.2", "127.0.0.3"):  # the second is another than the first time
                async with echo(host, page.port):
                    assert await tunnel.look() == ""
                    said = await asyncio.gather(*(say(tunnel.url, payload) for _ in range(3)))
                    assert said == [payload.upper()] * 3

    on_a_page(body)


def test_a_page_that_is_not_there_yet_says_so_to_the_terminal_and_the_browser() -> None:
    async def body(links: Links, page: Page) -> None:
        async with PageTunnel(links, page, free_port()) as tunnel:
            why = f"nothing listens on port {page.port} of here yet"
            assert await tunnel.look() == why
            head, _, text = (await say(tunnel.url, b"GET / HTTP/1.1\r\n\r\n")).partition(
                b"\r\n\r\n"
            )
            assert head.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nRefresh: 2\r\n" in head
            assert text.decode().startswith(f"view@here: {why}\n")
            async with echo("127.0.0.1", page.port):
                assert await say(tunnel.url, b"now") == b"NOW"

    on_a_page(body)


def test_the_port_here_is_the_page_s_if_it_is_free_and_only_on_the_loopback() -> None:
    async def body(links: Links, page: Page) -> None:
        async with PageTunnel(links, page, None) as first, PageTunnel(links, page, None) as second:
            assert first.url == f"http://127.0.0.1:{page.port}"
            assert second.url != first.url
            taken = int(second.url.rpartition(":")[2])
            with pytest.raises(UsageError, match=f"port {taken} of this machine: is in use"):
                async with PageTunnel(links, page, taken):
                    pass
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.2", page.port)
        with pytest.raises(ConnectionRefusedError):
            await say(first.url, b"")

    on_a_page(body)


def test_each_connection_takes_the_link_that_there_is_and_a_lost_node_is_told() -> None:
    async def body(links: Links, page: Page) -> None:
        class Away(Links):
            away = True

            async def get(self, node: str, lane: int = 0) -> Link:
                if self.away:
                    raise LinkError(node, "no route to host")
                return await links.get(node, lane)

        lost = Away(FLEET)
        async with echo("127.0.0.1", page.port), PageTunnel(lost, page, free_port()) as tunnel:
            assert await tunnel.look() == "here: no route to host"
            assert b"here: no route to host" in await say(tunnel.url, b"one")
            lost.away = False
            assert await say(tunnel.url, b"two") == b"TWO"

    on_a_page(body)
