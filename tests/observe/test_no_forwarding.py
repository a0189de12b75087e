"""Conditions on a node whose SSH server forbids TCP forwarding (AllowTcpForwarding no)."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from fleetctl.link.protocol import Link
from fleetctl.link.ssh.connect import Connector
from fleetctl.observe.asking import Unasked, accepts_connection, answers_http
from tests.openssh import Server, bounded

pytestmark = pytest.mark.usefixtures("client_home")
TOOLS = [t for t in ("bash", "nc", "curl", "python3") if shutil.which(t, path="/usr/bin:/bin")]


@pytest.fixture
def node(make_sshd: Callable[..., Server]) -> Server:
    return make_sshd("AllowTcpForwarding no\n")


class Only:
    """A link to a node that has only some of the tools."""

    def __init__(self, link: Link, folder: Path, tools: Sequence[str]) -> None:
        self._link = link
        self._path = f"PATH={folder}\n"
        self.node = link.node
        self.open_connection = link.open_connection
        for name in ("head", *tools):
            (folder / name).symlink_to(shutil.which(name, path="/usr/bin:/bin") or "/nowhere")

    async def run(self, script: str, *, timeout_s: float) -> object:
        return await self._link.run(self._path + script, timeout_s=timeout_s)


@asynccontextmanager
async def _serving(answer: bytes) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):  # a connect condition says nothing
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def _asked(node: Server, tools: Sequence[str] | None = None) -> list[bool]:
    """What is told of a server that answers, of one that has an error, and of a closed port."""

    async def body() -> list[bool]:
        link = await Connector({}).connect(node.node())
        through: Any = link
        if tools is not None:
            folder = node.folder / "tools"
            folder.mkdir()
            through = Only(link, folder, tools)
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            none = closed.getsockname()[1]
            async with (
                _serving(b"HTTP/1.1 200 OK\r\n\r\nfine") as good,
                _serving(b"HTTP/1.1 503 Busy\r\n\r\n") as bad,
            ):
                urls = [f"http://127.0.0.1:{port}/x" for port in (good, bad, none)]
                told = [await answers_http(through, url) for url in urls]
                bodies = [await answers_http(through, urls[0], text) for text in ("^fine$", "HTTP")]
                assert bodies == [told[0], False]
                targets = [f"127.0.0.1:{port}" for port in (good, none)]
                told += [await accepts_connection(through, target) for target in targets]
        await link.close()
        return told

    return bounded(body())


def test_the_node_itself_is_asked(node: Server) -> None:
    assert _asked(node) == [True, False, False, True, False]


@pytest.mark.parametrize("tool", TOOLS)
def test_whatever_tool_it_has(node: Server, tool: str) -> None:
    assert _asked(node, [tool]) == [True, False, False, True, False]


def test_without_any_tool_it_is_said_that_it_cannot_be_asked(node: Server) -> None:
    with pytest.raises(Unasked, match="TCP forwarding is forbidden by the SSH server of pi4"):
        _asked(node, [])


def test_what_does_not_answer_at_all_is_given_up(node: Server) -> None:
    async def body() -> bool:
        link = await Connector({}).connect(node.node())
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            port = silent.getsockname()[1]
            told = await answers_http(link, f"http://127.0.0.1:{port}/", timeout_s=0.5)
        await link.close()
        return told

    assert bounded(body()) is False
