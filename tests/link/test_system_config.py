"""``/etc/ssh/ssh_config`` means here what it means to ``ssh``: its Port, ProxyJump and Match."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fleetctl.link.ssh.connect import Connector
from fleetctl.model.topology import SSH, Node
from tests.link.own_space import in_own_space, needs_root, put_in_place_of
from tests.openssh import Server, bounded, open_folder

FILE = "/etc/ssh/ssh_config"
TEXT = """Host pi4
  Port {inner}
  ProxyJump gate
Host gate
  Port {gate}
Match originalhost pi4,gate exec "test -e {home}/there"
  HostName 127.0.0.1
Host *
  User {user}
  IdentityFile {inner_key}
  IdentityFile {gate_key}
  UserKnownHostsFile {inner_known} {gate_known}
"""


@needs_root
def test_it_is_honoured(tmp_path: Path, client_home: Path) -> None:
    in_own_space(lambda: compare(tmp_path, client_home))


def compare(folder: Path, home: Path) -> None:
    with two_servers() as (gate, inner):
        values = {
            "gate": gate.port, "inner": inner.port, "home": home, "user": inner.user,
            "gate_key": gate.key, "inner_key": inner.key,
            "gate_known": gate.known_hosts, "inner_known": inner.known_hosts,
        }  # fmt: skip
        system = put_in_place_of(FILE, TEXT.format(**values), folder)
        (home / "there").touch()
        assert goes(gate, inner) == (1, 1)
        by_ssh = ["ssh", "-o", "BatchMode=yes", "pi4", "true"]  # it jumps by an ssh of its own
        subprocess.run(by_ssh, check=True, timeout=20, capture_output=True)
        assert (logins(gate), logins(inner)) == (2, 2)
        system.write_text(TEXT.replace("  ProxyJump gate\n", "").format(**values))
        assert goes(gate, inner) == (0, 1)


def goes(*servers: Server) -> tuple[int, ...]:
    """How often each was logged in to on the way to the node."""
    before = [logins(server) for server in servers]

    async def body() -> None:
        link = await Connector({}).connect(Node("pi4", SSH("pi4", connect_timeout_s=10.0)))
        await link.close()

    bounded(body())
    return tuple(logins(one) - was for one, was in zip(servers, before, strict=True))


def logins(server: Server) -> int:
    return (server.folder / "log").read_text().count("Accepted publickey")


@contextmanager
def two_servers() -> Iterator[tuple[Server, Server]]:
    with open_folder() as place:
        servers = Server(place / "gate"), Server(place / "inner")
        try:
            for server in servers:
                server.start()
            yield servers
        finally:
            for server in servers:
                server.stop()
