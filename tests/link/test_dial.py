"""A name with several addresses, some of which are dead."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from fleetctl.errors import ConnectRefused, ConnectTimedOut, LinkError
from fleetctl.link.ssh.connect import Connector
from fleetctl.link.ssh.dial import numeric, written
from fleetctl.model.topology import SSH, Node
from tests.link.test_contract import full_backlog
from tests.openssh import Server, bounded

pytestmark = pytest.mark.usefixtures("client_home")

NAME = "pi4.lan"
DEAD = ("127.0.0.7", "127.0.0.8", "127.0.0.9")
CLOSED = "127.0.0.10"

Resolves = Callable[..., None]


@pytest.fixture
def resolves(monkeypatch: pytest.MonkeyPatch) -> Resolves:
    """Sets the addresses that the name stands for."""

    def to(*addresses: str) -> None:
        async def getaddrinfo(_: Any, host: str, port: int, **__: Any) -> list[Any]:
            assert host == NAME
            return [
                (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
                if ":" in address
                else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
                for address in addresses
            ]

        monkeypatch.setattr(asyncio.SelectorEventLoop, "getaddrinfo", getaddrinfo)

    return to


def _named(server: Server, **changes: Any) -> Node:
    key = server.known_hosts.read_text().split(" ", 1)[1]
    known = server.folder / "known_hosts_by_name"
    known.write_text(f"[{NAME}]:{server.port} {key}")
    return server.node(host=NAME, known_hosts=str(known), **changes)


def _error(ssh: SSH) -> LinkError:
    with pytest.raises(LinkError) as caught:
        bounded(Connector({}).connect(Node("pi4", ssh)))
    return caught.value


def test_dead_addresses_before_the_right_one_cost_a_moment_each(
    sshd: Server, resolves: Resolves
) -> None:
    resolves(*DEAD, "127.0.0.1")

    async def body() -> None:
        started = time.monotonic()
        link = await Connector({}).connect(_named(sshd))
        assert time.monotonic() - started < 4  # of the five seconds of connect_timeout
        assert link.address == "127.0.0.1"
        assert (await link.run("echo in", timeout_s=10)).text == "in\n"
        await link.close()

    with ExitStack() as stack:
        for address in DEAD:
            stack.enter_context(full_backlog(address, sshd.port))
        bounded(body())


def test_one_that_refuses_is_passed_over_at_once(sshd: Server, resolves: Resolves) -> None:
    resolves(CLOSED, "::1", "127.0.0.1")

    async def body() -> None:
        link = await Connector({}).connect(_named(sshd))
        assert link.address == "127.0.0.1"
        await link.close()

    bounded(body())


def test_all_are_asked_even_if_there_are_many_for_the_time(
    sshd: Server, resolves: Resolves
) -> None:
    dead = [f"127.0.1.{i}" for i in range(30)]
    resolves(*dead, "127.0.0.1")

    async def body() -> None:
        await (await Connector({}).connect(_named(sshd, connect_timeout_s=4))).close()

    with ExitStack() as stack:
        for address in dead:
            stack.enter_context(full_backlog(address, sshd.port))
        bounded(body())


def test_the_message_names_all_addresses_that_were_asked(resolves: Resolves) -> None:
    with full_backlog(DEAD[0]) as (_, port), full_backlog(DEAD[1], port):
        resolves(*DEAD[:2])
        error = _error(SSH(NAME, port=port, connect_timeout_s=0.5))
        assert type(error) is ConnectTimedOut
        assert error.reason == (
            f"no answer from {NAME}:{port} ({DEAD[0]} and {DEAD[1]} asked) "
            "within its connect_timeout"
        )
        resolves(DEAD[0], CLOSED)
        error = _error(SSH(NAME, port=port, connect_timeout_s=0.5))
        assert type(error) is ConnectRefused
        assert error.reason == (
            f"no address of {NAME}:{port} can be reached ({DEAD[0]}: no answer, {CLOSED}: refused)"
        )
        assert "Remote Login" in error.hint


def test_families_are_asked_in_turn(resolves: Resolves, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def refuse(_: Any, sock: socket.socket, address: Any) -> None:
        asked.append(address[0])
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", refuse)
    resolves("fd00::1", "fd00::2", "fd00::3", "10.0.0.1", "10.0.0.2")
    error = _error(SSH(NAME, port=22))
    assert asked == ["fd00::1", "10.0.0.1", "fd00::2", "10.0.0.2", "fd00::3"]
    assert error.reason.startswith(f"connection refused by {NAME}:22 (fd00::1, 10.0.0.1, ")


def test_a_name_that_nothing_resolves_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: Any, **__: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.SelectorEventLoop, "getaddrinfo", hang)
    error = _error(SSH(NAME, port=22, connect_timeout_s=0.3))
    assert error.code == "ssh-timeout"
    assert error.reason == f"the name '{NAME}' was not resolved within its connect_timeout"


# IPv6


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6 on its loopback")
def test_ipv6(make_sshd: Callable[..., Server]) -> None:
    server = make_sshd("ListenAddress ::1\n")
    key = server.known_hosts.read_text().split(" ", 1)[1]
    server.known_hosts.write_text(f"[::1]:{server.port} {key}")

    async def body() -> None:
        link = await Connector({}).connect(server.node(host="::1"))
        assert link.address == "::1"
        told = await link.run('echo "$SSH_CONNECTION"', timeout_s=10)
        assert told.text.split()[2] == "::1"
        await link.close()

    bounded(body())


def test_a_link_local_address_has_its_zone() -> None:
    first = socket.if_indextoname(1)
    assert numeric(("fe80::1", 22, 0, 1)) == f"fe80::1%{first}"
    assert numeric((f"fe80::1%{first}", 22, 0, 1)) == f"fe80::1%{first}"
    assert numeric(("fe80::1", 22, 0, 99999)) == "fe80::1%99999"
    assert numeric(("fd00::1", 22, 0, 0)) == "fd00::1"
    assert numeric(("10.0.0.1", 22)) == "10.0.0.1"


def test_ports_stand_behind_brackets() -> None:
    assert written("fe80::1%en1", 22) == "[fe80::1%en1]:22"
    assert written("mini1.local", 22) == "mini1.local:22"
