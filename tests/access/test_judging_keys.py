"""Whose keys are whose, in which order nodes come, and what is recorded."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetctl.access.known_hosts_file import append, lines
from fleetctl.access.mix_ups import Keys, mix_ups
from fleetctl.access.ssh_argv import ssh_argv
from fleetctl.access.witnesses import read_scan, unexpected, witnesses
from fleetctl.link.ssh.connect import Connector
from fleetctl.link.ssh.shown_keys import HostKey
from fleetctl.model.topology import SSH, Fleet, Network, Node
from fleetctl.model.ways_in import waves
from tests.openssh import bounded


def keys(shown: str, recorded: str) -> Keys:
    """A letter for each key."""
    return Keys(frozenset(c.encode() for c in shown), frozenset(c.encode() for c in recorded))


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ({"a": keys("x", "y"), "b": keys("y", "x")}, "a and b have swapped addresses"),
        ({"a": keys("x", "y"), "b": keys("", "x")}, "b seems to have got that address"),
        ({"a": keys("x", ""), "b": keys("x", "x")}, "b shows the same host key as a"),
        ({"a": keys("x", "y"), "b": keys("z", "z")}, None),
        ({"a": keys("x", "y"), "b": keys("x", "")}, None),
    ],
)
def test_mix_ups(nodes: Mapping[str, Keys], said: str | None) -> None:
    found = mix_ups(nodes, ["a"])
    assert said is None if not found else said is not None and said in found["a"]


def fleet(*nodes: Node) -> Fleet:
    networks = {
        "wifi": Network("wifi", IPv4Network("192.168.1.0/24"), control=True),
        "fabric": Network("fabric", IPv4Network("10.10.0.0/24")),
    }
    return Fleet("test", networks, {node.name: node for node in nodes})


def node(name: str, jump: str | None = None, **addresses: str) -> Node:
    own = {network: IPv4Address(address) for network, address in addresses.items()}
    return Node(name, SSH(name, proxy_jump=jump), addresses=own)


def test_jump_hosts_come_first() -> None:
    built = fleet(
        node("c", "user@far,b"), node("b", "a"), node("a"), node("d", "far"), node("x", "y"),
        node("y", "x"),
    )  # fmt: skip
    assert waves(built, ["c", "b", "a", "d"]) == [["a", "d"], ["b"], ["c"]]
    assert {name for wave in waves(built, ["x", "y"]) for name in wave} == {"x", "y"}


def test_witnesses_over_cables_come_first() -> None:
    built = fleet(
        node("a", wifi="192.168.1.1"),
        node("b", wifi="192.168.1.2", fabric="10.10.0.2"),
        node("new", wifi="192.168.1.9", fabric="10.10.0.9"),
        node("alone"),
    )
    found = [(w.node, str(w.address)) for w in witnesses(built, "new", ["a", "b", "alone", "new"])]
    assert found == [("b", "10.10.0.9"), ("a", "192.168.1.9")]


def test_an_address_that_dhcp_gives_is_no_place_to_look_at() -> None:
    leased = replace(node("new", fabric="10.10.0.9"), leased=frozenset({"wifi"}))
    built = fleet(
        node("a", wifi="192.168.1.1"), node("b", wifi="192.168.1.2", fabric="10.10.0.2"), leased
    )
    assert [w.node for w in witnesses(built, "new", ["a", "b"])] == ["b"]


def key(kind: str, text: str) -> HostKey:
    parts = (kind.encode(), text.encode())
    return HostKey(b"".join(len(part).to_bytes(4) + part for part in parts))


ED, RSA = key("ssh-ed25519", "ed"), key("ssh-rsa", "rsa")


@pytest.mark.parametrize(
    ("scanned", "other"),
    [
        ([ED], []),
        ([ED, RSA], []),
        ([key("ssh-ed25519", "no")], [key("ssh-ed25519", "no")]),
        ([RSA], [RSA]),  # nothing to compare with
    ],
)
def test_what_a_witness_sees(scanned: Sequence[HostKey], other: Sequence[HostKey]) -> None:
    text = f"# comment\n10.10.0.9 nothing\n10.10.0.8 {ED.text}\n[10.10.0.9]:2222 {RSA.text}\n"
    text += "".join(f"10.10.0.9 {one.text}\n" for one in scanned)
    found = read_scan(text, IPv4Address("10.10.0.9"), 22)
    assert list(found) == list(scanned)
    assert list(unexpected(found, [ED])) == list(other)
    assert read_scan(text, IPv4Address("10.10.0.9"), 2222) == (RSA,)


def test_ssh_finds_what_is_recorded(tmp_path: Path) -> None:
    file = tmp_path / "new" / "known_hosts"
    append(str(file), lines("[pi4.local]:2222", [ED], hashed=True))
    append(str(file), lines("pi5", [ED, RSA], hashed=False))
    assert file.read_text().splitlines()[1:] == [f"pi5 {ED.text}", f"pi5 {RSA.text}"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    found = subprocess.run(
        ["ssh-keygen", "-F", "[pi4.local]:2222", "-f", str(file)],
        capture_output=True,
        check=False,
    )
    assert base64.b64encode(ED.data) in found.stdout


def test_what_cannot_be_recorded_leaves_the_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no regular file"):
        append(str(tmp_path / "pipe"), "line\n")
    file = tmp_path / "hosts"
    file.write_text("before\n")
    script = f"ulimit -f 0; trap '' XFSZ; exec {sys.executable} -c '{_APPEND}' {file}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert "File too large" in done.stderr
    assert file.read_text() == "before\n"


_APPEND = """
import sys
from fleetctl.access.known_hosts_file import append
append(sys.argv[1], "line\\n")
"""


def test_ssh_takes_the_way_that_fleetctl_takes(client_home: Path, tmp_path: Path) -> None:
    """Through two jump hosts; what each ssh is given is seen by a shell in its place."""
    nodes = {
        "gate": Node("gate", SSH("gate.example", user="me", identity_file="~/a key 100%")),
        "next": Node("next", SSH("next.example", port=7, proxy_jump="gate")),
        "pi4": Node("pi4", SSH("fd00::4", known_hosts="~/hosts", proxy_jump="next")),
    }

    async def way() -> list[str]:
        hops = await Connector(nodes).way("pi4", nodes["pi4"].ssh)
        return ssh_argv(hops, config=(), options=("-o", "BatchMode=no"), command="do it")

    direct = Node("mini", SSH("mini.example", proxy_jump="none"))

    async def no_way() -> list[str]:
        hops = await Connector(nodes).way("mini", direct.ssh)
        return ssh_argv(hops, config=(), options=(), command="do it")

    assert {"ProxyJump=none", "ProxyCommand=none"} <= set(bounded(no_way()))
    argv = bounded(way())
    assert argv[-3:] == ["--", "fd00::4", "do it"]
    assert f'UserKnownHostsFile="{client_home}/hosts"' in argv
    for host, port, wanted in (
        ("fd00::4", "22", ["-p", "7", "--", "next.example"]),
        ("next.example", "7", ["-l", "me", "-i", f"{client_home}/a key 100%%", "--"]),
    ):
        through = next(word for word in argv if word.startswith("ProxyCommand="))
        tokens = {"h": host, "p": port, "%": "%"}
        line = re.sub("%(.)", lambda m: tokens[m[1]], through.removeprefix("ProxyCommand="))  # noqa: B023
        ssh = tmp_path / "ssh"
        ssh.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
        ssh.chmod(0o755)
        said = subprocess.run(
            ["sh", "-c", f"exec {line}"],
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=True,
        )
        argv = said.stdout.splitlines()
        assert wanted == [word for word in argv if word in wanted]
        assert argv[argv.index("-W") + 1] == f"[{host}]:{port}"
