"""Sockets without ss: the same as ss tells."""

from __future__ import annotations

import os
import socket
import subprocess
from contextlib import ExitStack

import pytest

from fleetctl.probes.members import sockets_text
from fleetctl.probes.parsers.ss import parse_ss, parse_ss_connections
from tests.launch.conftest import installed


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox sh"])
def test_the_same_as_ss(shell: str) -> None:
    installed(shell.split()[0])
    with ExitStack() as opened:
        servers = [
            opened.enter_context(socket.create_server((address, 0)))
            for address in ("127.0.0.1", "0.0.0.0")
        ]
        dual = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        mapped = socket.socket(socket.AF_INET6)
        mapped.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        mapped.bind(("::ffff:127.0.0.1", 0))
        mapped.listen()
        alone = socket.create_server(("::1", 0), family=socket.AF_INET6)
        servers += [opened.enter_context(one) for one in (dual, mapped, alone)]
        ports = {one.getsockname()[1] for one in servers}
        for one in servers[:2]:
            end = opened.enter_context(
                socket.create_connection(("127.0.0.1", one.getsockname()[1]))
            )
            ports.add(end.getsockname()[1])
        script = f"{sockets_text()}proc_sockets"
        ours = subprocess.run(
            [*shell.split(), "-c", script], capture_output=True, text=True, check=True, timeout=30
        ).stdout
        ss = ["ss", "-tnpH", "state", "listening", "state", "established"]
        theirs = subprocess.run(ss, capture_output=True, text=True, check=True, timeout=30).stdout
    told, expected = (
        {(i.port, i.pids, i.process): i.address for i in parse_ss(text) if i.port in ports}
        for text in (ours, theirs)
    )
    assert told.keys() == expected.keys()
    assert {pids for _, pids, _ in told} == {(os.getpid(),)}
    assert {a for a in told.values() if ":" not in a} == {
        a for a in expected.values() if ":" not in a
    }
    assert len(told) == len(servers)
    connections = [
        {c for c in parse_ss_connections(text) if c.remote_port in ports} for text in (ours, theirs)
    ]
    assert connections[0] == connections[1]
    assert len(connections[0]) == 4  # both ends of two


@pytest.mark.parametrize("gone", ["cat", "awk"])
def test_what_cannot_be_read_is_a_failure(gone: str) -> None:
    script = f"{gone}() {{ false; }}\n{sockets_text()}proc_sockets"
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=False, timeout=30)
    assert done.returncode != 0
