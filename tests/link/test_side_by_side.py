"""Several hosts of one node: the first that logs in is used, and an error says what each did."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fleetctl.errors import (
    AuthFailed,
    ConnectFailed,
    ConnectRefused,
    ConnectTimedOut,
    HostKeyChanged,
    HostKeyUnknown,
    LinkError,
)
from fleetctl.link.ssh.connect import Connector
from fleetctl.link.ssh.side_by_side import first, together
from fleetctl.model.topology import SSH, Node
from tests.link.test_contract import full_backlog
from tests.openssh import Server, bounded, make_key, public_key, until

SILENT, CLOSED = "127.0.0.7", "127.0.0.10"


def _silent(reason: str) -> LinkError:
    return ConnectTimedOut("pi4", reason)


@pytest.mark.parametrize(
    ("errors", "kind", "reason", "silent"),
    [
        ([_silent("no a"), _silent("no b")], ConnectTimedOut, "no a; no b", True),
        ([_silent("no a"), _silent("no a")], ConnectTimedOut, "no a", True),
        ([_silent("no a"), ConnectRefused("pi4", "b")], ConnectRefused, "b; no a", False),
        ([_silent("a"), ConnectFailed("pi4", "b", silent=False)], ConnectFailed, "b; a", False),
        ([_silent("a"), AuthFailed("pi4", "b")], AuthFailed, "b; a", False),
        ([AuthFailed("pi4", "a"), HostKeyUnknown("pi4", "b")], HostKeyUnknown, "b; a", False),
        ([HostKeyUnknown("pi4", "a"), HostKeyChanged("pi4", "b")], HostKeyChanged, "b; a", False),
    ],
)
def test_the_decisive_error_comes_first(
    errors: list[LinkError], kind: type[LinkError], reason: str, silent: bool
) -> None:
    found = together("pi4", errors)
    assert (type(found), found.reason, found.silent) == (kind, reason, silent)


def test_the_others_are_cancelled_and_what_they_opened_is_dropped() -> None:
    dropped: list[str] = []
    begun: list[str] = []

    async def one(name: str, ready: asyncio.Event) -> str:
        begun.append(name)
        await ready.wait()
        return name

    async def drop(name: str) -> None:
        dropped.append(name)

    async def body() -> None:
        never, soon = asyncio.Event(), asyncio.Event()
        tries = [partial(one, "never", never), partial(one, "a", soon), partial(one, "b", soon)]
        racing = asyncio.create_task(first("pi4", tries, drop))
        await until(lambda: len(begun) == 3, "all are tried")
        soon.set()
        assert await racing == "a"
        assert asyncio.all_tasks() == {asyncio.current_task()}

    bounded(body())
    assert dropped in ([], ["b"])


def _node(server: Server, *hosts: str, **changes: Any) -> Node:
    host, *others = hosts
    return server.node(host=host, other_hosts=tuple(others), **changes)


@pytest.mark.usefixtures("client_home")
@pytest.mark.parametrize("dead", [SILENT, CLOSED, "no-such-host.invalid"])
def test_a_dead_host_costs_a_moment(sshd: Server, dead: str) -> None:
    async def body() -> None:
        with full_backlog(SILENT, sshd.port):
            link = await Connector({}).connect(_node(sshd, dead, "127.0.0.1"))
            assert link.address == "127.0.0.1"
            assert (await link.run("echo in", timeout_s=10)).text == "in\n"
            await link.close()

    bounded(body())


@pytest.mark.usefixtures("client_home")
def test_a_host_is_known_by_its_own_name_alone(make_sshd: Callable[..., Server]) -> None:
    """127.0.0.2 reaches the same server, and its key is not recorded there."""
    server = make_sshd("ListenAddress 127.0.0.2\n")
    node = _node(server, "127.0.0.2", "127.0.0.1")

    async def body() -> None:
        connector = Connector({})
        link = await connector.connect(node)
        assert link.address == "127.0.0.1"
        await link.close()
        assert (await connector.answering(node)).host in node.ssh.hosts
        assert len(await connector.recorded_keys(node)) == 1
        with pytest.raises(HostKeyUnknown) as caught:
            await connector.connect(_node(server, CLOSED, "127.0.0.2"))
        assert f"127.0.0.2:{server.port}" in caught.value.reason
        assert f"; connection refused by {CLOSED}:{server.port}" in caught.value.reason

    bounded(body())


def test_a_jump_host_may_have_several_hosts_too(
    make_sshd: Callable[..., Server], client_home: Path
) -> None:
    outer, inner = make_sshd(), make_sshd()
    gate = _node(outer, CLOSED, "127.0.0.1")
    nodes = {"gate": Node("gate", gate.ssh), "pi4": inner.node(proxy_jump="gate")}

    async def body() -> None:
        link = await Connector(nodes).connect(nodes["pi4"])
        assert (await link.run("echo in", timeout_s=10)).text == "in\n"
        await link.close()

    bounded(body())


def test_a_changed_key_under_one_name_does_not_stop_the_other(
    make_sshd: Callable[..., Server], client_home: Path
) -> None:
    """A lease may be another machine's by now."""
    server = make_sshd("ListenAddress 127.0.0.2\n")
    other = public_key(make_key(client_home / "other"))
    with server.known_hosts.open("a") as file:
        file.write(f"[127.0.0.2]:{server.port} {other}\n")

    async def body() -> None:
        link = await Connector({}).connect(_node(server, "127.0.0.2", "127.0.0.1"))
        assert link.address == "127.0.0.1"
        await link.close()

    bounded(body())


def test_the_settings_are_the_same_for_each_host() -> None:
    ssh = SSH("a", port=7, other_hosts=("b",))
    assert ssh.each == (SSH("a", port=7), SSH("b", port=7))
    assert SSH("a").each == (SSH("a"),)
