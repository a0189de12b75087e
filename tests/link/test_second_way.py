"""A node that does not answer directly is reached through one that shares a data network with it,
and through that only where the direct way says nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from fleetctl.config import load_text
from fleetctl.errors import (
    AuthFailed,
    ConnectFailed,
    ConnectRefused,
    ConnectTimedOut,
    HostKeyChanged,
    HostKeyUnknown,
    LinkError,
)
from fleetctl.link.links import Links
from fleetctl.link.neighbours import neighbours, routes
from fleetctl.link.ssh import ways
from fleetctl.link.ssh.connect import Connector
from fleetctl.model.expectations import derive
from fleetctl.model.topology import SSH, Fleet, Network, Node
from tests.lab.fleets import GUIDE
from tests.link.test_contract import full_backlog
from tests.openssh import Server, bounded, make_key, public_key, until

DIRECT, CLOSED, DATA = "127.0.0.7", "127.0.0.10", "127.0.0.2"
NETWORKS = {
    "wifi": Network("wifi", IPv4Network("127.1.0.0/24"), control=True),
    "fabric": Network("fabric", IPv4Network("127.0.0.0/24")),
}


class Fabric:
    """mini3 answers at 127.0.0.1; pi4 is known as 127.0.0.7, and answers at 127.0.0.2 only."""

    def __init__(self, make_sshd: Callable[..., Server]) -> None:
        self.make = make_sshd
        self.gate = make_sshd()
        self.target = make_sshd(f"ListenAddress {DATA}\n")
        self.known_as(DIRECT)

    def known_as(self, *hosts: str, key: str = "") -> None:
        """The names under which the key of pi4 is recorded."""
        key = key or public_key(self.target.host_key)
        self.target.known_hosts.write_text(
            "".join(f"[{host}]:{self.target.port} {key}\n" for host in hosts)
        )

    def fleet(self, **others: Node) -> Fleet:
        nodes = {
            **others,
            "pi4": self.node(connect_timeout_s=2),
            "mini3": self.near("mini3", self.gate.ssh()),
        }
        return Fleet("test", NETWORKS, nodes)

    def node(self, *hosts: str, **changes: Any) -> Node:
        host, *more = hosts or (DIRECT,)
        ssh = self.target.ssh(host=host, other_hosts=tuple(more), **changes)
        return Node("pi4", ssh, addresses={"fabric": IPv4Address(DATA)})

    @staticmethod
    def near(name: str, ssh: SSH) -> Node:
        return Node(name, ssh, addresses={"fabric": IPv4Address("127.0.0.1")})


@pytest.fixture
def fabric(make_sshd: Callable[..., Server], client_home: Path) -> Fabric:
    return Fabric(make_sshd)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "HEAD_START_S", 0.2)


@pytest.fixture
def silent(fabric: Fabric) -> Iterator[None]:
    with full_backlog(DIRECT, fabric.target.port):
        yield


def _error(fleet: Fleet, name: str = "pi4") -> LinkError:
    async def body() -> LinkError:
        async with Links(fleet) as links:
            with pytest.raises(LinkError) as caught:
                await links.get(name)
            return caught.value

    return bounded(body())


@pytest.mark.usefixtures("silent")
def test_through_the_connection_that_the_neighbour_has(fabric: Fabric) -> None:
    async def body() -> None:
        async with Links(fabric.fleet()) as links:
            gate = await links.get("mini3")
            link, other = await asyncio.gather(links.get("pi4"), links.get("pi4", lane=1))
            assert link is not other
            for one in (link, other):
                assert (one.via, one.address) == ("mini3", DATA)
                assert one.bypassed == f"no answer from {DIRECT} within 0.2 s"
                assert (await one.run("echo in", timeout_s=10)).text == "in\n"
            assert (gate.via, gate.bypassed) == ("", "")
            assert links.carried("mini3") == links.carried("pi4") == {"fabric"}
            assert (fabric.gate.folder / "log").read_text().count("Accepted publickey") == 1

    bounded(body())


@pytest.mark.parametrize("direct", [CLOSED, "no-such-host.invalid"])
def test_after_a_direct_way_that_leads_nowhere(fabric: Fabric, direct: str) -> None:
    fabric.known_as(direct)
    fleet = fabric.fleet()
    nodes = {**fleet.nodes, "pi4": fabric.node(direct)}

    async def body() -> None:
        async with Links(Fleet("test", NETWORKS, nodes)) as links:
            link = await links.get("pi4")
            assert link.via == "mini3"
            assert direct in link.bypassed

    bounded(body())


@pytest.mark.usefixtures("silent")
def test_of_several_names_the_one_that_is_recorded_counts(fabric: Fabric) -> None:
    fleet = fabric.fleet()
    nodes = {**fleet.nodes, "pi4": fabric.node(CLOSED, DIRECT)}

    async def body() -> None:
        async with Links(Fleet("test", NETWORKS, nodes)) as links:
            assert (await links.get("pi4")).via == "mini3"

    bounded(body())


@pytest.mark.usefixtures("silent")
def test_the_host_key_is_judged_under_the_usual_name_alone(
    fabric: Fabric, client_home: Path
) -> None:
    fabric.known_as(DATA)
    error = _error(fabric.fleet())
    assert type(error) is ConnectTimedOut
    where = f"{DATA}:{fabric.target.port} (HostKeyAlias [{DIRECT}]:"
    assert f"; through another node: the host key of {where}" in error.reason
    fabric.known_as(DIRECT, key=public_key(make_key(client_home / "other")))
    assert "which is not the one recorded" in _error(fabric.fleet()).reason


@pytest.mark.parametrize("kind", [HostKeyUnknown, HostKeyChanged, AuthFailed, ConnectFailed])
def test_never_in_place_of_an_answer(
    fabric: Fabric, client_home: Path, kind: type[LinkError]
) -> None:
    """The node would be reached through mini3 in each case."""
    there = f"[{DATA}]:{fabric.target.port} {public_key(fabric.target.host_key)}\n"
    node = fabric.node(DATA)
    if kind is HostKeyUnknown:
        fabric.known_as(DIRECT)
    elif kind is HostKeyChanged:
        fabric.known_as(DATA, key=public_key(make_key(client_home / "other")))
    else:
        fabric.target.known_hosts.write_text(there)
    if kind is AuthFailed:
        node = fabric.node(DATA, identity_file=str(make_key(client_home / "unknown")))
    if kind is ConnectFailed:
        node = fabric.node(DATA, proxy_jump="no host")
    nodes = {**fabric.fleet().nodes, "pi4": node}
    error = _error(Fleet("test", NETWORKS, nodes))
    assert type(error) is kind
    assert "Accepted" not in (fabric.gate.folder / "log").read_text()


def test_a_machine_that_is_slow_is_not_silent(fabric: Fabric) -> None:
    """It accepts the connection, and its SSH server takes longer than the head start."""
    fabric.known_as(DATA)
    node = fabric.node(DATA)
    fleet = Fleet("test", NETWORKS, {**fabric.fleet().nodes, "pi4": node})

    async def body() -> None:
        async with Links(fleet) as links:
            await links.get("mini3")
            fabric.target.stop_listening()
            asking = asyncio.create_task(links.get("pi4"))
            await asyncio.sleep(3 * ways.HEAD_START_S)
            fabric.target.go_on_listening()
            link = await asking
            assert (link.via, link.address) == ("", DATA)

    bounded(body())


def test_it_can_be_turned_off(fabric: Fabric) -> None:
    node = fabric.node(CLOSED, second_way=False)
    error = _error(Fleet("test", NETWORKS, {**fabric.fleet().nodes, "pi4": node}))
    assert error.reason == f"connection refused by {CLOSED}:{fabric.target.port}"


def test_nodes_that_are_all_lost_do_not_wait_for_each_other(fabric: Fabric) -> None:
    nodes = {
        name: Fabric.near(name, fabric.gate.ssh(host=CLOSED, port=1, connect_timeout_s=1))
        for name in ("a", "b", "c", "d")
    }

    async def body() -> None:
        async with Links(Fleet("test", NETWORKS, nodes)) as links:
            found = await asyncio.gather(*map(links.get, nodes), return_exceptions=True)
            assert [type(one) for one in found] == [ConnectRefused] * 4
            assert {str(one) for one in found} == {
                f"{name}: {text}" for name in nodes for text in [str(found[0]).partition(": ")[2]]
            }

    bounded(body())


@pytest.mark.usefixtures("silent")
def test_what_the_neighbour_says_is_told_beside_the_direct_error(fabric: Fabric) -> None:
    fabric.target.stop()
    nodes = {**fabric.fleet().nodes, "pi4": fabric.node(connect_timeout_s=1)}
    error = _error(Fleet("test", NETWORKS, nodes))
    assert error.reason.startswith(f"no answer from {DIRECT}:{fabric.target.port}")
    assert error.reason.endswith("; mini3 cannot reach it either")


@pytest.mark.usefixtures("silent")
def test_a_lost_neighbour_is_not_the_last_one(fabric: Fabric) -> None:
    dead = {
        name: Fabric.near(name, fabric.gate.ssh(host=CLOSED, port=1)) for name in ("mini1", "mini2")
    }

    async def body() -> None:
        async with Links(fabric.fleet(**dead)) as links:
            assert (await links.get("pi4")).via == "mini3"

    bounded(body())


def test_it_goes_back_to_the_direct_way(fabric: Fabric, monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs over the second way runs on; what is asked for anew goes directly."""
    monkeypatch.setattr(ways, "BACK_EVERY_S", 0.1)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(DATA, fabric.target.port)
        await asyncio.gather(_copy(reader, back), _copy(there, writer))

    async def body() -> None:
        async with Links(fabric.fleet()) as links:
            link = await links.get("pi4")
            assert link.via == "mini3"
            async with link.stream("cat") as stream:
                server = await asyncio.start_server(relay, DIRECT, fabric.target.port)
                await until(lambda: link.outdated, "the direct way is found")
                again = await links.get("pi4")
                assert (again.via, again.address) == ("", DIRECT)
                assert not link.closed
                stream.write(b"on\n")
                assert await stream.read(10) == b"on\n"
            await until(lambda: link.closed, "the second way is closed")
            assert links.carried("mini3") == frozenset()
        server.close()

    bounded(body())


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(4096):
        writer.write(data)
    writer.close()


def test_a_link_that_is_outdated_ends_with_its_last_use(fabric: Fabric) -> None:
    async def body() -> None:
        link = await Connector({}).connect(fabric.gate.node())
        async with link.stream("cat") as stream:
            await link.retire()
            assert (link.outdated, link.closed) == (True, False)
            stream.write(b"on\n")
            assert await stream.read(10) == b"on\n"
        await until(lambda: link.closed, "it is closed")

    bounded(body())


def test_a_jump_host_may_be_reached_by_its_own_second_way(fabric: Fabric) -> None:
    """pi4 is behind mini4, which answers only on the fabric."""
    inner, deep = fabric.make(), "127.0.0.1"
    gate = Node("mini4", fabric.node(CLOSED).ssh, addresses={"fabric": IPv4Address(DATA)})
    fabric.known_as(CLOSED)
    nodes = {
        "mini3": fabric.near("mini3", fabric.gate.ssh()),
        "mini4": gate,
        "pi4": Node("pi4", inner.ssh(host=deep, proxy_jump="mini4")),
    }

    async def body() -> None:
        async with Links(Fleet("test", NETWORKS, nodes)) as links:
            link = await links.get("pi4")
            assert link.via == "mini4"
            assert link.bypassed.startswith("cannot go through mini4: connection refused")
            assert (await link.run("echo in", timeout_s=10)).text == "in\n"

    bounded(body())


@pytest.mark.usefixtures("silent")
def test_this_machine_may_be_the_neighbour(fabric: Fabric) -> None:
    here = Node(
        "laptop",
        SSH("laptop"),
        connection="local",
        addresses={"fabric": IPv4Address("127.0.0.1")},
    )

    async def body() -> None:
        async with Links(Fleet("test", NETWORKS, {"laptop": here, "pi4": fabric.node()})) as links:
            link = await links.get("pi4")
            assert (link.via, link.address) == ("laptop", DATA)

    bounded(body())


# which neighbours


def _near(fleet: Fleet, name: str) -> list[tuple[str, str]]:
    known = routes(derive(fleet))
    return [(one.node, str(one.address)) for one in neighbours(fleet, known, name)]


def test_neighbours_are_on_a_data_network_or_have_a_route_to_it() -> None:
    fleet = load_text(GUIDE, "nodes.yaml")
    assert _near(fleet, "mini2") == [
        ("mini1", "10.10.0.2"),
        ("mini3", "10.10.0.2"),
        ("pi5", "10.10.0.2"),
        ("pi4", "10.10.0.2"),
    ]
    # the minis have routes back to each Pi's cable
    assert _near(fleet, "pi5") == [
        ("mini1", "192.168.50.2"),
        ("mini2", "192.168.50.2"),
        ("mini3", "192.168.50.2"),
    ]
    assert "ipad" not in {name for name, _ in _near(fleet, "mini1")}


def test_the_places_that_a_way_crosses() -> None:
    fleet = load_text(GUIDE, "nodes.yaml")
    by = {one.node: one.carrying for one in neighbours(fleet, routes(derive(fleet)), "pi5")}
    assert by["mini1"] == (("mini1", "edge50"), ("pi5", "edge50"))
    assert by["mini2"] == (
        ("mini2", "fabric"),
        ("mini1", "fabric"),
        ("mini1", "edge50"),
        ("pi5", "edge50"),
    )
