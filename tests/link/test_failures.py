"""Each way in which connecting can fail: the error's class, code and message."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fleetctl.errors import (
    ConnectFailed,
    ConnectRefused,
    ConnectTimedOut,
    LinkError,
    LinkHung,
    LinkLost,
)
from fleetctl.link.links import Links
from fleetctl.link.ssh.connect import Connector
from fleetctl.model.topology import SSH, Fleet, Node
from tests.link.test_contract import full_backlog
from tests.openssh import Server, bounded

pytestmark = pytest.mark.usefixtures("client_home")


def _fails(ssh: SSH, kind: type[LinkError]) -> LinkError:
    """The error of connecting to a node ``pi4`` with this ``ssh``."""
    with pytest.raises(LinkError) as caught:
        bounded(Connector({}).connect(Node("pi4", ssh)))
    assert type(caught.value) is kind
    assert caught.value.node == "pi4"
    assert str(caught.value).startswith("pi4: ")
    return caught.value


def test_nothing_listens_there() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        error = _fails(SSH("127.0.0.1", port=port), ConnectRefused)
    assert error.reason == f"connection refused by 127.0.0.1:{port}"
    assert error.code == "ssh-unreachable"
    assert "Remote Login" in error.hint


@pytest.mark.parametrize(
    ("number", "kind", "code", "reason"),
    [
        (errno.EHOSTUNREACH, ConnectFailed, "ssh-unreachable", "no route to 127.0.0.1:22"),
        (errno.ENETUNREACH, ConnectFailed, "ssh-unreachable", "no route to 127.0.0.1:22"),
        (errno.ETIMEDOUT, ConnectTimedOut, "ssh-timeout", "no answer from 127.0.0.1:22"),
        (
            errno.EACCES,
            ConnectFailed,
            "ssh-unreachable",
            "cannot connect to 127.0.0.1:22: Permission denied",
        ),
    ],
)
def test_the_kernels_errors_have_their_own_messages(
    number: int,
    kind: type[LinkError],
    code: str,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(*_: Any) -> None:
        raise OSError(number, __import__("os").strerror(number))

    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", refuse)
    error = _fails(SSH("127.0.0.1", port=22), kind)
    assert (error.reason, error.code) == (reason, code)


def test_an_address_to_which_no_connection_is_possible() -> None:
    # a broadcast address: the kernel refuses at once, and no packet leaves
    error = _fails(SSH("127.255.255.255", port=22, connect_timeout_s=3), ConnectFailed)
    assert error.reason.startswith("no route to") or "cannot connect to" in error.reason


def test_an_unknown_name() -> None:
    error = _fails(SSH("no-such-host.invalid", port=22), ConnectFailed)
    assert error.reason.startswith("the name 'no-such-host.invalid' is not known")
    assert "ssh.host" in error.hint


@pytest.mark.parametrize("host", ["", "a" * 64 + ".invalid", "b..c", "\N{SNOWMAN}" * 70])
def test_an_impossible_name(host: str) -> None:
    with pytest.raises(LinkError) as caught:
        bounded(Connector({}).connect(Node("pi4", SSH(host, port=1, connect_timeout_s=2))))
    assert caught.value.code in ("ssh-unreachable", "ssh-timeout")


def test_nothing_answers() -> None:
    with full_backlog() as (host, port):
        started = time.monotonic()
        error = _fails(SSH(host, port=port, connect_timeout_s=0.4), ConnectTimedOut)
        assert 0.3 < time.monotonic() - started < 5
    assert error.reason == f"no answer from {host}:{port} within its connect_timeout"
    assert error.code == "ssh-timeout"


@asynccontextmanager
async def _serving(
    behave: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any],
) -> AsyncIterator[int]:
    server = await asyncio.start_server(behave, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _against(
    behave: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any], timeout_s: float = 0.5
) -> LinkError:
    """The result of connecting to a server that behaves so."""
    async with _serving(behave) as port:
        node = Node("pi4", SSH("127.0.0.1", port=port, connect_timeout_s=timeout_s))
        with pytest.raises(LinkError) as caught:
            await Connector({}).connect(node)
        return caught.value


def test_a_server_that_accepts_and_sends_nothing_hangs() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    error = bounded(_against(silent))
    assert type(error) is LinkHung
    assert error.code == "ssh-hung"
    assert "accepts connections, but the SSH server there says nothing" in error.reason


def test_a_server_that_sends_nothing_after_its_greeting_hangs() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await reader.read()
        writer.close()

    error = bounded(_against(greet))
    assert type(error) is LinkHung
    assert "began to speak SSH, but the login does not end" in error.reason


def test_a_server_that_speaks_no_ssh() -> None:
    async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        writer.close()

    error = bounded(_against(http, 2.0))
    assert type(error) is ConnectFailed
    assert error.reason.startswith("SSH with 127.0.0.1:")


def test_a_server_that_always_closes_is_tried_a_few_times() -> None:
    seen = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(1)
        writer.close()

    error = bounded(_against(hang_up, timeout_s=5))
    assert type(error) is ConnectFailed
    assert error.reason.endswith("closes the connection before SSH begins")
    assert "MaxStartups" in error.hint
    assert len(seen) == 4


def test_a_server_that_closes_at_first_is_reached_in_the_end(sshd: Server) -> None:
    seen = 0

    async def body() -> None:
        async def mostly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal seen
            seen += 1
            if seen < 3:
                writer.close()
                return
            onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", sshd.port)
            await asyncio.gather(_pump(reader, onward_writer), _pump(onward_reader, writer))

        async with _serving(mostly) as port:
            sshd_key = sshd.known_hosts.read_text().split(" ", 1)[1]
            known = sshd.folder / "known_hosts_relay"
            known.write_text(f"[127.0.0.1]:{port} {sshd_key}")
            link = await Connector({}).connect(sshd.node(port=port, known_hosts=str(known)))
            assert (await link.run("echo in", timeout_s=10)).text == "in\n"
            await link.close()

    bounded(body())
    assert seen == 3


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()


def test_one_dead_node_delays_no_other(sshd: Server) -> None:
    async def body() -> None:
        with full_backlog() as (host, port):
            dead = {f"dead{i}": Node(f"dead{i}", SSH(host, port=port, connect_timeout_s=8))
                    for i in range(30)}  # fmt: skip
            nodes = {**dead, "alive": sshd.node("alive")}
            async with Links(Fleet("test", {}, nodes)) as links:
                waiting = [asyncio.create_task(links.get(name)) for name in dead]
                link = await asyncio.wait_for(links.get("alive"), 5)
                assert (await link.run("echo hi", timeout_s=5)).text == "hi\n"
                assert not any(task.done() for task in waiting)
                for task in waiting:
                    task.cancel()

    bounded(body())


def test_links_share_a_connection_and_open_it_again_after_a_loss(
    make_sshd: Callable[..., Server],
) -> None:
    server = make_sshd()

    async def body() -> None:
        async with server.links() as links:
            first, same = await asyncio.gather(links.get("pi4"), links.get("pi4"))
            assert first is same
            assert len({s.ppid() for s in server.sessions()}) >= 1
            server.cut()
            with pytest.raises(LinkLost):
                await first.run("echo", timeout_s=10)
            second = await links.get("pi4")
            assert second is not first
            assert (await second.run("echo back", timeout_s=10)).text == "back\n"

    bounded(body())


def test_a_failed_link_is_tried_again_when_asked_again(sshd: Server) -> None:
    async def body() -> None:
        held = sshd.authorized_keys.read_text()
        sshd.authorized_keys.write_text("")
        try:
            async with sshd.links() as links:
                with pytest.raises(LinkError):
                    await links.get("pi4")
                sshd.authorized_keys.write_text(held)
                assert not (await links.get("pi4")).closed
        finally:
            sshd.authorized_keys.write_text(held)

    bounded(body())


def test_a_node_that_cannot_be_logged_into_and_one_that_is_this_machine() -> None:
    nodes = {
        "ipad": Node("ipad", SSH("ipad"), connection="none"),
        "here": Node("here", SSH("here"), connection="local"),
    }

    async def body() -> None:
        async with Links(Fleet("test", {}, nodes)) as links:
            with pytest.raises(LinkError, match=r"^ipad: cannot be logged into \(connection"):
                await links.get("ipad")
            assert (await (await links.get("here")).run("echo 1", timeout_s=5)).text == "1\n"

    bounded(body())
