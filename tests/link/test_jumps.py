"""``proxy_jump`` of nodes.yaml in all its forms, with strict host keys at each hop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fleetctl.errors import ConnectFailed, HostKeyChanged, HostKeyUnknown, LinkError
from fleetctl.link.ssh.connect import Connector
from fleetctl.model.topology import SSH, Node
from tests.openssh import Server, bounded, make_key, public_key


class Way:
    """Three servers; the client knows them and has their keys."""

    def __init__(self, make_sshd: Callable[..., Server], home: Path) -> None:
        self.first, self.second, self.inner = make_sshd(), make_sshd(), make_sshd()
        self.known = home / ".ssh" / "known_hosts"
        servers = (self.first, self.second, self.inner)
        self.known.write_text("".join(one.known_hosts.read_text() for one in servers))
        (home / ".ssh" / "config").write_text(
            "".join(f"IdentityFile {one.key}\n" for one in servers)
        )

    def node(self, jump: str) -> Node:
        ssh = self.inner.ssh(proxy_jump=jump, known_hosts=None, identity_file=None)
        return Node("pi4", ssh)

    def text(self, jump: str) -> str:
        """With {first}, {second}, {user} and the ports filled in."""
        user = self.first.user
        return jump.format(
            user=user,
            first=f"{user}@127.0.0.1:{self.first.port}",
            second=f"{user}@127.0.0.1:{self.second.port}",
            port=self.first.port,
        )


@pytest.fixture
def way(make_sshd: Callable[..., Server], client_home: Path) -> Way:
    return Way(make_sshd, client_home)


def logins(server: Server) -> int:
    return (server.folder / "log").read_text().count("Accepted publickey")


def goes(way: Way, jump: str, **others: Node) -> list[int]:
    """How often each server was logged in to, on the way to the node."""
    node = way.node(way.text(jump))

    async def body() -> str:
        link = await Connector({"pi4": node, **others}).connect(node)
        try:
            return (await link.run("echo in", timeout_s=10)).text
        finally:
            await link.close()

    assert bounded(body()) == "in\n"
    return [logins(server) for server in (way.first, way.second, way.inner)]


def stays(way: Way, jump: str, kind: type[LinkError]) -> str:
    """Why it does not go; nothing reached the node."""
    with pytest.raises(kind) as caught:
        goes(way, jump)
    assert logins(way.inner) == 0
    return caught.value.reason


@pytest.mark.parametrize("jump", ["{first}", "ssh://{first}", "ssh://{first}/", " {first} "])
def test_a_host(way: Way, jump: str) -> None:
    assert goes(way, jump) == [1, 0, 1]


def test_several(way: Way) -> None:
    assert goes(way, "{first},{second}") == [1, 1, 1]


def test_a_node_behind_a_host(way: Way) -> None:
    """Those that are named before a node lead to it, in place of its own proxy_jump."""
    gate = Node("gate", SSH("127.0.0.1", port=way.second.port, user=way.second.user))
    assert goes(way, "{first}, gate", gate=gate) == [1, 1, 1]


def test_an_alias_of_the_configuration(way: Way, client_home: Path) -> None:
    config = client_home / ".ssh" / "config"
    alias = f"Host gate\n  HostName 127.0.0.1\n  Port {way.first.port}\n  User {way.first.user}\n"
    config.write_text(config.read_text() + alias)
    assert goes(way, "gate") == [1, 0, 1]


@pytest.mark.parametrize("line", ["ProxyJump none", "ProxyCommand none", "ProxyCommand false"])
def test_the_configuration_does_not_take_it_away(way: Way, client_home: Path, line: str) -> None:
    config = client_home / ".ssh" / "config"
    config.write_text(f"Match host 127.0.0.1\n  {line}\nHost *\n{config.read_text()}")
    if line == "ProxyCommand false":  # it is for the jump host, too
        assert "cannot go through" in stays(way, "{first}", ConnectFailed)
    else:
        assert goes(way, "{first}") == [1, 0, 1]


@pytest.mark.parametrize(
    "jump",
    [
        "@", "a b", "{first},", ",{first}", "[::1", "host:0", "host:99999", "host:", "-oX=y", "a/b",
        "user@", "http://x",
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_no_way(way: Way, jump: str) -> None:
    assert "is no host to jump through" in stays(way, jump, ConnectFailed)


def test_the_keys_of_each_hop_are_judged(way: Way, client_home: Path) -> None:
    lines = way.known.read_text().splitlines()
    way.known.write_text("\n".join(lines[1:]) + "\n")
    assert "is not in ~/.ssh/known_hosts" in stays(way, "{first}", HostKeyUnknown)
    other = public_key(make_key(client_home / "other"))
    way.known.write_text("\n".join([f"[127.0.0.1]:{way.first.port} {other}", *lines[1:]]) + "\n")
    assert "which is not the one recorded" in stays(way, "{first}", HostKeyChanged)
    way.known.write_text("\n".join(lines[:2]) + "\n")
    assert "is not in ~/.ssh/known_hosts" in stays(way, "{first},{second}", HostKeyUnknown)
