"""Many logins at one server: behind a jump host, or directly; and what sshd says of too many."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncssh
import pytest
from msgspec.structs import replace

from fleetctl.errors import ConnectFailed, LinkError
from fleetctl.link.links import Links
from fleetctl.link.ssh.connect import Connector
from fleetctl.model.topology import SSH, Fleet, Node
from tests.openssh import Server, bounded, public_key, until

pytestmark = pytest.mark.usefixtures("client_home")

MANY = 24


def _logins(server: Server) -> int:
    """How many logins the server has accepted so far."""
    return (server.folder / "log").read_text().count("Accepted publickey")


async def _all_answer(nodes: dict[str, Node]) -> None:
    async def ask(links: Links, name: str) -> str:
        return (await (await links.get(name)).run("echo in", timeout_s=15)).text

    async with Links(Fleet("test", {}, nodes)) as links:
        assert await asyncio.gather(*(ask(links, n) for n in nodes)) == ["in\n"] * len(nodes)


def test_nodes_behind_a_jump_host_share_one_connection_to_it(
    make_sshd: Callable[..., Server],
) -> None:
    outer, inner = make_sshd(), make_sshd()
    nodes = {
        f"n{i}": inner.node(f"n{i}", proxy_jump="gate", connect_timeout_s=20) for i in range(MANY)
    }

    async def body() -> None:
        await _all_answer({**nodes, "gate": outer.node("gate", connect_timeout_s=20)})
        assert _logins(outer) == 2  # its own, and the one that all others go through
        await until(lambda: not outer.sessions(), "the way through the gate is closed")

    bounded(body())


def test_so_do_those_whose_jump_is_in_the_config(
    make_sshd: Callable[..., Server], client_home: Path
) -> None:
    outer, inner = make_sshd(), make_sshd()
    (client_home / ".ssh" / "config").write_text(
        f"Host gate\n  HostName 127.0.0.1\n  Port {outer.port}\n  User {outer.user}\n"
        f"  IdentityFile {outer.key}\n  UserKnownHostsFile {outer.known_hosts}\n"
        "Host 127.0.0.1\n  ProxyJump gate\n"
    )
    nodes = {f"n{i}": inner.node(f"n{i}", connect_timeout_s=20) for i in range(MANY)}

    async def body() -> None:
        await _all_answer(nodes)
        assert _logins(outer) == 1

    bounded(body())


def test_a_jump_that_was_lost_is_opened_again_for_all(make_sshd: Callable[..., Server]) -> None:
    outer, inner = make_sshd(), make_sshd()
    nodes = {n: inner.node(n, proxy_jump="gate") for n in ("a", "b", "c")}

    async def body() -> None:
        async with Links(Fleet("test", {}, {**nodes, "gate": outer.node("gate")})) as links:
            first = [await links.get(name) for name in nodes]
            outer.cut()
            await until(lambda: all(link.closed for link in first), "the loss is known")
            for link in [await links.get(name) for name in nodes]:
                assert (await link.run("echo back", timeout_s=10)).text == "back\n"
            assert _logins(outer) == 2

    bounded(body())


def test_a_lost_node_leaves_no_use_of_the_jump_behind(make_sshd: Callable[..., Server]) -> None:
    outer, inner = make_sshd(), make_sshd()
    nodes = {"gate": outer.node("gate"), "a": inner.node("a", proxy_jump="gate")}

    async def body() -> None:
        async with Links(Fleet("test", {}, nodes)) as links:
            first = await links.get("a")
            await first.run("true", timeout_s=10)  # sshd has forked for the session
            inner.cut()
            await until(lambda: first.closed, "the loss is known")
            second = await links.get("a")
            assert (await second.run("echo back", timeout_s=10)).text == "back\n"
            assert _logins(outer) == 1
        await until(lambda: not outer.sessions(), "the way is closed")

    bounded(body())


def test_a_chain_of_jumps(make_sshd: Callable[..., Server], client_home: Path) -> None:
    first, second, inner = make_sshd(), make_sshd(), make_sshd()
    hosts = {"one": first, "two": second}
    (client_home / ".ssh" / "config").write_text(
        "".join(
            f"Host {name}\n  HostName 127.0.0.1\n  IdentityFile {server.key}\n"
            f"  UserKnownHostsFile {server.known_hosts}\n"
            for name, server in hosts.items()
        )
    )
    chain = ",".join(f"{s.user}@{name}:{s.port}" for name, s in hosts.items())

    async def body() -> None:
        link = await Connector({}).connect(inner.node(proxy_jump=chain))
        assert (await link.run("echo deep", timeout_s=10)).text == "deep\n"
        assert (_logins(first), _logins(second)) == (1, 1)
        await link.close()
        await until(lambda: not first.sessions(), "the way is closed")

    bounded(body())


def test_many_direct_logins_at_one_server(make_sshd: Callable[..., Server]) -> None:
    server = make_sshd("MaxStartups 10:30:100\n")
    nodes = {f"n{i}": server.node(f"n{i}", connect_timeout_s=20) for i in range(MANY)}
    bounded(_all_answer(nodes))


def test_a_jump_host_that_forbids_forwarding_is_named(make_sshd: Callable[..., Server]) -> None:
    gate = make_sshd("AllowTcpForwarding no\n").node("gate")
    node = Node("pi4", SSH("127.0.0.1", port=1, proxy_jump="gate"))
    error = _error(node, gate)
    assert type(error) is ConnectFailed
    assert error.reason == (
        "the SSH server of gate forbids the TCP forwarding that a jump to 127.0.0.1:1 is"
    )
    assert "AllowTcpForwarding" in error.hint


def _error(node: Node, *others: Node) -> LinkError:
    with pytest.raises(LinkError) as caught:
        bounded(Connector({n.name: n for n in others}).connect(node))
    return caught.value


class _Turning:
    """A relay to ``server`` that turns the first ``times`` connections away with ``words``."""

    def __init__(self, server: Server, words: bytes, times: int, within_s: float) -> None:
        self._within_s = within_s
        self._server = server
        self._words = words
        self._times = times
        self.seen = 0

    async def __aenter__(self) -> Node:
        self._relay = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._relay.sockets[0].getsockname()[1]
        known = self._server.folder / f"known_hosts_{port}"
        key = self._server.known_hosts.read_text().split(" ", 1)[1]
        known.write_text(f"[127.0.0.1]:{port} {key}")
        within_s = self._within_s
        return self._server.node(port=port, known_hosts=str(known), connect_timeout_s=within_s)

    async def __aexit__(self, *_: object) -> None:
        self._relay.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.seen += 1
        if self.seen <= self._times:
            writer.write(self._words)
            writer.close()
            return
        onward = await asyncio.open_connection("127.0.0.1", self._server.port)
        await asyncio.gather(_pump(reader, onward[1]), _pump(onward[0], writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (b"Exceeded MaxStartups\r\n", "MaxStartups"),
        (b"Not allowed at this time\r\n", "PerSourcePenalties"),
        (
            b"System is booting up. Unprivileged users are not permitted to log in yet. Please "
            b"come back later. For technical details, see pam_nologin(8).\r\n",
            "started",
        ),
    ],
)
@pytest.mark.parametrize("through", ["directly", "through a jump"])
def test_what_passes_is_waited_out_and_told(
    sshd: Server, words: bytes, hint: str, through: str
) -> None:
    jump = {"proxy_jump": "gate"} if through == "through a jump" else {}

    async def body() -> None:
        connector = Connector({"gate": sshd.node("gate")})
        async with (turning := _Turning(sshd, words, 3, 15.0)) as node:
            link = await connector.connect(Node("pi4", replace(node.ssh, **jump)))
            assert (await link.run("echo in", timeout_s=10)).text == "in\n"
            assert turning.seen == 4
            await link.close()
        async with (turning := _Turning(sshd, words, 1000, 2.0)) as node:
            with pytest.raises(ConnectFailed) as caught:
                await connector.connect(Node("pi4", replace(node.ssh, **jump)))
        assert turning.seen < 20
        assert "takes no logins now: it says '" + words.decode().strip() in caught.value.reason
        assert hint in caught.value.hint
        assert not caught.value.silent

    bounded(body())


class _Booting(asyncssh.SSHServer):
    """As sshd with pam_nologin(8) while the system starts: it says so in a banner, and closes."""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    def begin_auth(self, username: str) -> bool:
        said = "System is booting up. Unprivileged users are not permitted to log in yet.\n"
        self._connection.send_auth_banner(said)
        self._connection.disconnect(asyncssh.DISC_PROTOCOL_ERROR, "closed")
        return True


def test_a_banner_before_the_connection_closes_is_told(sshd: Server) -> None:
    async def body() -> None:
        server = await asyncssh.listen(
            "127.0.0.1", 0, server_factory=_Booting, server_host_keys=[str(sshd.host_key)]
        )
        port = server.get_port()
        known = sshd.folder / f"known_hosts_{port}"
        known.write_text(f"[127.0.0.1]:{port} {public_key(sshd.host_key)}\n")
        with pytest.raises(ConnectFailed, match="it says 'System is booting up"):
            await Connector({}).connect(
                sshd.node(port=port, known_hosts=str(known), connect_timeout_s=1)
            )
        server.close()

    bounded(body())
