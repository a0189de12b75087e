"""Logging in: keys, host keys, ``~/.ssh/config`` and jumps, against real OpenSSH."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fleetctl.errors import (
    AuthFailed,
    ConnectFailed,
    ConnectRefused,
    HostKeyChanged,
    HostKeyUnknown,
    LinkError,
    LinkHung,
)
from fleetctl.link.ssh.connect import Connector
from fleetctl.model.topology import SSH, Node
from tests.openssh import Server, bounded, fingerprint, make_key, public_key, until


async def _says(node: Node, *others: Node, script: str = "echo in") -> str:
    """The output of a script on ``node``, reached as nodes.yaml and the client's home say."""
    link = await Connector({n.name: n for n in (node, *others)}).connect(node)
    try:
        return (await link.run(script, timeout_s=10)).text
    finally:
        await link.close()


def _fails(node: Node, kind: type[LinkError], *others: Node) -> LinkError:
    with pytest.raises(LinkError) as caught:
        bounded(_says(node, *others))
    assert type(caught.value) is kind, caught.value
    return caught.value


# keys


def test_a_key_that_is_not_installed_is_named(sshd: Server, client_home: Path) -> None:
    key = make_key(client_home / "other")
    error = _fails(sshd.node(identity_file=str(key)), AuthFailed)
    assert error.code == "ssh-auth-failed"
    assert error.reason == (
        f"{sshd.user}@127.0.0.1:{sshd.port} accepts none of the keys tried ({key}, no SSH agent)"
    )
    assert "ssh-copy-id" in error.hint


def test_a_missing_key_file_is_named(sshd: Server, client_home: Path) -> None:
    error = _fails(sshd.node(identity_file="~/.ssh/gone"), AuthFailed)
    assert "(~/.ssh/gone: no such file, no SSH agent)" in error.reason


def test_a_key_with_a_passphrase_is_for_the_agent(sshd: Server, client_home: Path) -> None:
    key = make_key(client_home / "locked", passphrase="opensesame")
    error = _fails(sshd.node(identity_file=str(key)), AuthFailed)
    assert f"({key}: needs its passphrase: ssh-add it, no SSH agent)" in error.reason


def test_a_file_that_is_no_key_is_named(sshd: Server, client_home: Path) -> None:
    (client_home / "text").write_text("hello\n")
    error = _fails(sshd.node(identity_file=str(client_home / "text")), AuthFailed)
    assert f"({client_home / 'text'}: not usable" in error.reason
    error = _fails(sshd.node(identity_file=str(client_home)), AuthFailed)
    assert f"({client_home}: Is a directory" in error.reason


def test_a_key_that_others_may_read_is_not_used(sshd: Server, client_home: Path) -> None:
    """As for ssh; the agent's copy of it would be."""
    key = client_home / "open"
    key.write_text(sshd.key.read_text())
    for mode in (0o644, 0o640, 0o604):
        key.chmod(mode)
        error = _fails(sshd.node(identity_file=str(key)), AuthFailed)
        assert f"({key}: others can read it (mode {mode:04o}), so ssh does not use" in error.reason
    key.chmod(0o400)
    assert bounded(_says(sshd.node(identity_file=str(key)))) == "in\n"


def test_a_key_or_certificate_that_never_ends_is_not_read(sshd: Server, client_home: Path) -> None:
    os.mkfifo(client_home / "pipe")
    for odd in ("/dev/zero", str(client_home / "pipe")):
        error = _fails(sshd.node(identity_file=odd, known_hosts=None), HostKeyUnknown)
        assert "is not in ~/.ssh/known_hosts" in error.reason
        error = _fails(sshd.node(identity_file=odd), AuthFailed)
        assert f"({odd}: is no regular file" in error.reason
        (client_home / ".ssh" / "config").write_text(f"CertificateFile {odd}\n")
        assert bounded(_says(sshd.node())) == "in\n"
        (client_home / ".ssh" / "config").unlink()
        error = _fails(sshd.node(known_hosts=odd), HostKeyUnknown)
        assert error.reason.endswith(f"is not in {odd}")


def test_no_key_at_all(sshd: Server, client_home: Path) -> None:
    error = _fails(sshd.node(identity_file=None), AuthFailed)
    assert "(no key file, no SSH agent)" in error.reason


def test_the_default_keys_are_tried(sshd: Server, client_home: Path) -> None:
    for name in ("", ".pub"):
        text = sshd.key.with_name(sshd.key.name + name).read_text()
        file = client_home / ".ssh" / f"id_ed25519{name}"
        file.write_text(text)
        file.chmod(0o600)
    make_key(client_home / ".ssh" / "id_rsa", kind="rsa")
    assert bounded(_says(sshd.node(identity_file=None))) == "in\n"


def test_a_key_of_the_agent_is_used(
    sshd: Server, client_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sock = client_home / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(sock)], stdout=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(sock))
        subprocess.run(
            ["sh", "-c", 'until ssh-add -q "$0"; do sleep 0.05; done', str(sshd.key)],
            check=True,
            timeout=10,
            stderr=subprocess.DEVNULL,
        )
        assert bounded(_says(sshd.node(identity_file=None))) == "in\n"
        subprocess.run(["ssh-add", "-q", "-D"], check=True, timeout=10, stderr=subprocess.DEVNULL)
        error = _fails(sshd.node(identity_file=None), AuthFailed)
        assert "(no key file, keys of the SSH agent)" in error.reason
    finally:
        agent.terminate()
        agent.wait(10)


# host keys


def test_a_host_without_a_recorded_key(sshd: Server, client_home: Path) -> None:
    error = _fails(sshd.node(known_hosts=None), HostKeyUnknown)
    assert error.code == "ssh-host-key-unknown"
    shown = fingerprint(sshd.host_key)
    assert error.reason == (
        f"the host key of 127.0.0.1:{sshd.port} ({shown}) is not in ~/.ssh/known_hosts"
    )
    assert f"ssh -p {sshd.port} {sshd.user}@127.0.0.1" in error.hint


def test_a_host_with_another_key_than_recorded(sshd: Server, client_home: Path) -> None:
    known = client_home / ".ssh" / "known_hosts"
    other = make_key(client_home / "other_host_key")
    known.write_text(f"[127.0.0.1]:{sshd.port} {public_key(other)}\n")
    error = _fails(sshd.node(known_hosts=None), HostKeyChanged)
    assert error.code == "ssh-host-key-changed"
    recorded = f"{fingerprint(other)} in line 1 of ~/.ssh/known_hosts"
    assert error.reason == (
        f"127.0.0.1:{sshd.port} shows the host key {fingerprint(sshd.host_key)}, which is not the "
        f"one recorded for it: {recorded}"
    )
    assert f"ssh-keygen -R '[127.0.0.1]:{sshd.port}'" in error.hint


def test_a_key_that_is_recorded_for_a_pattern_is_corrected_by_hand(
    sshd: Server, client_home: Path
) -> None:
    other = make_key(client_home / "other_host_key")
    (client_home / "mine").write_text(f"\n[127.0.0.*]:* {public_key(other)}\n")
    error = _fails(sshd.node(known_hosts="~/mine"), HostKeyChanged)
    assert "If the node was reinstalled, correct line 2 of ~/mine;" in error.hint


def test_a_revoked_host_key_is_not_trusted(sshd: Server, client_home: Path) -> None:
    known = client_home / ".ssh" / "known_hosts"
    known.write_text(
        f"[127.0.0.1]:{sshd.port} {public_key(sshd.host_key)}\n"
        f"@revoked * {public_key(sshd.host_key)}\n"
    )
    error = _fails(sshd.node(known_hosts=None), HostKeyChanged)
    assert "line 2 of ~/.ssh/known_hosts revokes" in error.reason
    assert "ssh-keygen -R" not in error.hint


def test_a_hashed_entry_counts(sshd: Server, client_home: Path) -> None:
    known = client_home / ".ssh" / "known_hosts"
    known.write_text(sshd.known_hosts.read_text())
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known)], check=True, capture_output=True)
    assert known.read_text().startswith("|1|")
    assert bounded(_says(sshd.node(known_hosts=None))) == "in\n"


def test_garbage_around_an_entry_does_not_matter(sshd: Server, client_home: Path) -> None:
    known = client_home / ".ssh" / "known_hosts"
    good = sshd.known_hosts.read_bytes()
    garbage = b"\xff\xfe garbage\none-word\n|1|x|y ssh-rsa AAAA\n@what * ssh-rsa A\n"
    garbage += b"[127.0.0.1]:1 ssh-ed25519 !!!!\n# comment\n\n"
    known.write_bytes(garbage + good + b"torn")
    assert bounded(_says(sshd.node(known_hosts=None))) == "in\n"


@pytest.mark.parametrize("option", ["UserKnownHostsFile none", "UserKnownHostsFile /dev/null"])
def test_no_known_hosts_file_does_not_mean_no_check(
    option: str, sshd: Server, client_home: Path
) -> None:
    (client_home / ".ssh" / "config").write_text(
        f"Host *\n  {option}\n  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking no\n"
    )
    _fails(sshd.node(known_hosts=None), HostKeyUnknown)


def test_a_missing_known_hosts_file_does_not_mean_no_check(sshd: Server, client_home: Path) -> None:
    error = _fails(sshd.node(known_hosts="~/nowhere"), HostKeyUnknown)
    assert error.reason.endswith("is not in ~/nowhere")


def test_a_key_that_was_accepted_meanwhile_is_seen_by_the_same_connector(
    sshd: Server, client_home: Path
) -> None:
    node = sshd.node(known_hosts=None)

    async def body() -> None:
        connector = Connector({})
        with pytest.raises(HostKeyUnknown):
            await connector.connect(node)
        known = client_home / ".ssh" / "known_hosts"
        known.write_text(sshd.known_hosts.read_text())
        await (await connector.connect(node)).close()

    bounded(body())


# ~/.ssh/config


def test_an_alias_gives_host_port_user_and_identity(sshd: Server, client_home: Path) -> None:
    (client_home / ".ssh" / "config").write_text(
        f"Host the-pi\n  HostName 127.0.0.1\n  Port {sshd.port}\n  User {sshd.user}\n"
        f"  IdentityFile {sshd.key}\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {sshd.known_hosts}\n"
        "Host *\n  User nobody-at-all\n  Port 1\n"
    )
    assert bounded(_says(Node("pi4", SSH("the-pi")), script="id -un")) == f"{sshd.user}\n"


def test_nodes_yaml_has_priority_over_the_config(sshd: Server, client_home: Path) -> None:
    (client_home / ".ssh" / "config").write_text(
        "Host 127.0.0.1\n  Port 1\n  User nobody-at-all\n  IdentityFile ~/gone\n"
        "  UserKnownHostsFile /dev/null\n"
    )
    assert bounded(_says(sshd.node())) == "in\n"


def test_a_config_that_cannot_be_read_is_an_error(sshd: Server, client_home: Path) -> None:
    (client_home / ".ssh" / "config").write_text("Host *\n  Port many\n")
    error = _fails(sshd.node(port=None), ConnectFailed)
    assert error.reason.startswith("the SSH configuration for 127.0.0.1 cannot be used: ")
    assert "line 2: Bad port 'many'" in error.reason or "line 2: Bad number" in error.reason


def test_proxy_jump_of_the_config(
    sshd: Server, make_sshd: Callable[..., Server], client_home: Path
) -> None:
    inner = make_sshd()
    (client_home / ".ssh" / "known_hosts").write_text(
        sshd.known_hosts.read_text() + inner.known_hosts.read_text()
    )
    (client_home / ".ssh" / "config").write_text(
        f"Host gate\n  HostName 127.0.0.1\n  Port {sshd.port}\n  User {sshd.user}\n"
        f"  IdentityFile {sshd.key}\n"
        f"Host inside\n  HostName 127.0.0.1\n  Port {inner.port}\n  User {inner.user}\n"
        f"  IdentityFile {inner.key}\n  ProxyJump gate\n"
    )
    port_of = 'echo "${SSH_CONNECTION##* }"'
    assert bounded(_says(Node("pi4", SSH("inside")), script=port_of)) == f"{inner.port}\n"


# proxy_jump to another node


def test_a_jump_through_another_node(make_sshd: Callable[..., Server], client_home: Path) -> None:
    inner, outer = make_sshd(), make_sshd()
    gate = outer.node("gate")
    node = inner.node(proxy_jump="gate")

    async def body() -> None:
        link = await Connector({"gate": gate, "pi4": node}).connect(node)
        assert (await link.run("echo deep", timeout_s=10)).text == "deep\n"
        assert outer.sessions()
        await link.close()
        await until(lambda: not outer.sessions(), "the way through the gate is closed as well")

    bounded(body())


def test_a_jump_is_not_left_open_when_the_node_behind_it_fails(
    make_sshd: Callable[..., Server], client_home: Path
) -> None:
    outer = make_sshd()
    node = outer.node(proxy_jump="gate", port=1)

    async def body() -> None:
        with pytest.raises(ConnectFailed):
            await Connector({"gate": outer.node("gate"), "pi4": node}).connect(node)
        await until(lambda: not outer.sessions(), "the way through the gate is closed")

    bounded(body())


def test_a_jump_that_cannot_be_reached_is_named(sshd: Server, client_home: Path) -> None:
    gate = Node("gate", SSH("127.0.0.1", port=1))
    error = _fails(sshd.node(proxy_jump="gate"), ConnectRefused, gate)
    assert error.node == "pi4"
    assert error.reason == "cannot go through gate: connection refused by 127.0.0.1:1"


def test_a_jump_that_cannot_reach_the_node(sshd: Server, client_home: Path) -> None:
    node = sshd.node(proxy_jump="gate", port=1)
    error = _fails(node, ConnectFailed, sshd.node("gate"))
    assert "the jump host cannot reach 127.0.0.1:1" in error.reason


def test_jumps_in_a_circle(sshd: Server, client_home: Path) -> None:
    a, b = sshd.node("a", proxy_jump="b"), sshd.node("b", proxy_jump="a")
    error = _fails(a, ConnectFailed, b)
    assert "proxy_jump runs in a circle (a → b → a)" in error.reason
    error = _fails(sshd.node("me", proxy_jump="me"), ConnectFailed)
    assert "circle" in error.reason


def test_a_login_that_never_ends_hangs(make_sshd: Callable[..., Server]) -> None:
    server = make_sshd("")
    node = server.node(connect_timeout_s=1.0)
    server.stop_listening()
    try:
        error = _fails(node, LinkHung)
        assert error.code == "ssh-hung"
    finally:
        server.go_on_listening()


async def _connect_twice(node: Node) -> None:
    connector = Connector({})
    links = await asyncio.gather(connector.connect(node), connector.connect(node))
    for link in links:
        await link.close()


def test_one_connector_opens_many_links_at_once(sshd: Server, client_home: Path) -> None:
    bounded(_connect_twice(sshd.node()))
