"""Servers get ready while asyncssh is imported."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from fleetctl.errors import ConnectRefused
from fleetctl.link.links import Links
from fleetctl.link.ssh.ahead import Ahead
from fleetctl.model.topology import SSH, Fleet, Node
from tests.openssh import Server, bounded

pytestmark = pytest.mark.usefixtures("client_home")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.setblocking(False)
        yield made


def _node(listener: socket.socket, **more: object) -> Node:
    return Node("pi4", SSH("127.0.0.1", port=listener.getsockname()[1], **more))  # type: ignore[arg-type]


async def _accepted(listener: socket.socket) -> socket.socket:
    found, _ = await asyncio.get_running_loop().sock_accept(listener)
    return found


def _address(node: Node) -> tuple[str, int, int]:
    return node.ssh.host, node.ssh.port or 22, socket.AF_UNSPEC


def test_a_connection_is_made_ahead_and_given_once(listener: socket.socket) -> None:
    node = _node(listener)

    async def body() -> None:
        ahead = Ahead()
        await ahead.begin(node)
        first = await _accepted(listener)  # without anybody asking for it yet
        deadline = asyncio.get_running_loop().time() + 5
        taken = await ahead.take("pi4", *_address(node), deadline)
        assert taken.getpeername() == first.getsockname()
        assert taken.getsockname() == first.getpeername()
        other = await ahead.take("pi4", *_address(node), deadline)
        assert other.getsockname() != taken.getsockname()
        for one in (first, taken, other):
            one.close()
        await ahead.close()

    bounded(body())


@pytest.mark.parametrize("wanted", ["another port", "none"])
def test_a_connection_that_is_not_taken_is_closed(listener: socket.socket, wanted: str) -> None:
    node = _node(listener)

    async def body() -> None:
        ahead = Ahead()
        await ahead.begin(node)
        first = await _accepted(listener)
        if wanted == "another port":
            deadline = asyncio.get_running_loop().time() + 5
            with socket.create_server(("127.0.0.1", 0)) as other:
                port = other.getsockname()[1]
                taken = await ahead.take("pi4", "127.0.0.1", port, socket.AF_UNSPEC, deadline)
                assert taken.getpeername()[1] == port
                taken.close()
        await ahead.close()
        assert await asyncio.get_running_loop().sock_recv(first, 1) == b""
        first.close()

    bounded(body())


def test_what_ssh_reaches_in_another_way_is_left_alone(listener: socket.socket) -> None:
    async def body() -> None:
        ahead = Ahead()
        await ahead.begin(_node(listener, proxy_jump="gate"))
        await ahead.begin(_node(listener, other_hosts=("127.0.0.2",)))
        await ahead.close()
        with pytest.raises(BlockingIOError):
            listener.accept()

    bounded(body())


def test_an_attempt_that_failed_is_the_nodes_error() -> None:
    async def body() -> None:
        ahead = Ahead()
        node = Node("pi4", SSH("127.0.0.1", port=1))
        await ahead.begin(node)
        deadline = asyncio.get_running_loop().time() + 5
        with pytest.raises(ConnectRefused) as caught:
            await ahead.take("pi4", *_address(node), deadline)
        assert caught.value.node == "pi4"
        await ahead.close()

    bounded(body())


def test_links_log_in_over_it(make_sshd: Callable[..., Server]) -> None:
    server = make_sshd()
    node = server.node()

    async def body() -> None:
        async with Links(Fleet("fleet", {}, {node.name: node})) as links:
            link = await links.get(node.name)
            assert (await link.run("echo here", timeout_s=10)).stdout == b"here\n"

    bounded(body())
    log = (server.folder / "log").read_text()
    assert log.count("Connection from") == log.count("Accepted publickey") == 1


def test_it_needs_no_asyncssh() -> None:
    code = "import sys, fleetctl.link.ssh.ahead; sys.exit('asyncssh' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ, timeout=60)


def test_asyncssh_comes_without_x509_and_sftp_and_can_be_imported_first() -> None:
    code = (
        "import sys, fleetctl.link.ssh, asyncssh, asyncssh.crypto.ed, ctypes.util\n"
        "assert 'asyncssh.crypto.x509' not in sys.modules\n"
        "assert not {'asyncssh.sftp', 'asyncssh.scp'} & set(sys.modules)\n"
        "assert 'OpenSSL' not in sys.modules\n"
        "assert ctypes.util.find_library('c')\n"
        "assert not [one for one in sys.meta_path if 'Quicker' in repr(one)]\n"
        "import importlib.metadata, importlib.resources\n"
        "assert importlib.resources.files('asyncssh').joinpath('py.typed').is_file()\n"
        "import asyncssh.sftp\n"  # who needs it has it
        "assert asyncssh.sftp.SFTPClient.__module__ == 'asyncssh.sftp'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ, timeout=60)
