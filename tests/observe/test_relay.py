"""A tunnel to a node whose SSH server forbids TCP forwarding: its own tools connect."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, cast

import pytest

from fleetctl.link.links import Links
from fleetctl.link.protocol import Link, Stream
from fleetctl.link.ssh.connect import Connector
from fleetctl.model.pages import pages
from fleetctl.observe import tunnel as tunnels
from fleetctl.observe.tunnel import PageTunnel
from tests.launch.jobs import instance
from tests.observe.test_tunnel import echo, free_port, say
from tests.openssh import Server, bounded

pytestmark = pytest.mark.usefixtures("client_home")


@pytest.fixture
def node(make_sshd: Callable[..., Server]) -> Server:
    return make_sshd("AllowTcpForwarding no\n")


class Only:
    """A link to a node that has only some of the tools, for what is run as a stream."""

    def __init__(self, link: Link, folder: Path, tools: Sequence[str]) -> None:
        self._link = link
        self._path = f"PATH={folder}\n"
        self.run = link.run
        self.open_connection = link.open_connection
        folder.mkdir()
        for name in ("cat", "uname", *tools):
            found = shutil.which(name, path="/usr/bin:/bin")
            if found is None and name == "nc":
                found = shutil.which("busybox", path="/usr/bin:/bin")
            if found is None:
                pytest.skip(f"{name} is not installed")
            (folder / name).symlink_to(found)

    def stream(self, script: str, **more: Any) -> AbstractAsyncContextManager[Stream]:
        return self._link.stream(self._path + script, **more)


def through(
    node: Server, tools: Sequence[str], body: Callable[[PageTunnel], Awaitable[None]]
) -> None:
    async def run() -> None:
        link = await Connector({}).connect(node.node())
        only = Only(link, node.folder / "tools", tools)

        class OneLink:
            async def get(self, *_: object) -> Only:
                return only

        (page,) = pages([instance("view", "pi4", web=(free_port(),))])
        try:
            async with PageTunnel(cast(Links, OneLink()), page, free_port()) as tunnel:
                await body(tunnel)
        finally:
            await link.close()

    bounded(run())


def test_bytes_go_both_ways_and_each_half_ends_by_itself(node: Server) -> None:
    async def body(tunnel: PageTunnel) -> None:
        payload = bytes(range(256)) * 4000
        port = tunnel.page.port
        assert await tunnel.look() == f"nothing listens on port {port} of pi4 yet"
        async with echo("127.0.0.1", port):
            assert await tunnel.look() == ""
            said = await asyncio.gather(*(say(tunnel.url, payload) for _ in range(12)))
            assert said == [payload.upper()] * 12

    through(node, ["python3", "bash"], body)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers each line, until one is "end"; it closes the connection then."""
    while (line := await reader.readline()) not in (b"end\n", b""):
        writer.write(line.upper())
    writer.close()


@pytest.mark.parametrize("tool", ["bash", "nc"])
def test_with_tools_that_close_both_halves_at_once(
    node: Server, tool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnels, "HALF_S", 0.5)

    async def body(tunnel: PageTunnel) -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", tunnel.page.port)
        async with server:
            here = int(tunnel.url.rpartition(":")[2])
            for last in (b"end\n", b""):  # by the page, or by its client
                reader, writer = await asyncio.open_connection("127.0.0.1", here)
                writer.write(b"one\n")
                assert await reader.readline() == b"ONE\n"
                writer.write(b"two\n" + last)
                assert await reader.readline() == b"TWO\n"
                if not last:
                    writer.write_eof()
                assert await reader.read() == b""
                writer.close()

    through(node, [tool], body)


def test_where_there_is_no_tool_it_is_said(node: Server) -> None:
    async def body(tunnel: PageTunnel) -> None:
        async with echo("127.0.0.1", tunnel.page.port):
            assert (await tunnel.look()).startswith(
                "a tunnel needs TCP forwarding, which sshd on pi4 forbids, or python3, bash or nc"
            )

    through(node, [], body)
