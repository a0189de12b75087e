"""The SSH agent, and the order in which keys are offered."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fleetctl.errors import AuthFailed
from fleetctl.link.ssh.connect import Connector
from fleetctl.model.topology import Node
from tests.openssh import Server, bounded, make_key, public_key
from tests.waiting import eventually

MANY = 9
"""Keys of the agent that are tried in vain; more than sshd's MaxAuthTries of 6."""


class Agent:
    """An ssh-agent of its own."""

    def __init__(self, sock: Path) -> None:
        self.sock = sock
        self._process = subprocess.Popen(
            ["ssh-agent", "-D", "-a", str(sock)], stdout=subprocess.DEVNULL
        )
        eventually(sock.exists, "the agent listens")

    def add(self, *keys: Path) -> None:
        for key in keys:
            subprocess.run(
                ["ssh-add", "-q", str(key)],
                env={"SSH_AUTH_SOCK": str(self.sock), "PATH": "/usr/bin:/bin"},
                check=True,
                timeout=10,
                stderr=subprocess.DEVNULL,
            )

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)


@pytest.fixture
def agent(client_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agent]:
    agent = Agent(client_home / "agent")
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent.sock))
    yield agent
    agent.stop()


@pytest.fixture
def crowded(agent: Agent, client_home: Path) -> Agent:
    agent.add(*(make_key(client_home / f"other{i}") for i in range(MANY)))
    return agent


async def _says(node: Node, script: str = "echo in") -> str:
    link = await Connector({}).connect(node)
    try:
        return (await link.run(script, timeout_s=10)).text
    finally:
        await link.close()


def _fails(node: Node) -> AuthFailed:
    with pytest.raises(AuthFailed) as caught:
        bounded(_says(node))
    return caught.value


def _config(client_home: Path, text: str) -> None:
    (client_home / ".ssh" / "config").write_text(text)


def test_the_agent_is_not_forwarded_whatever_the_configuration_says(
    sshd: Server, agent: Agent, client_home: Path
) -> None:
    _config(client_home, "Host *\n  ForwardAgent yes\n")
    ask = 'echo "${SSH_AUTH_SOCK-none}"'
    argv = ["ssh", "-F", str(client_home / ".ssh/config"), "-o", "BatchMode=yes"]
    argv += ["-o", f"UserKnownHostsFile={sshd.known_hosts}", "-i", str(sshd.key)]
    argv += ["-p", str(sshd.port), f"{sshd.user}@127.0.0.1", ask]
    forwarded = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=True)
    assert "agent" in forwarded.stdout
    assert bounded(_says(sshd.node(), ask)) == "none\n"


def test_the_key_of_identity_file_is_offered_before_those_of_the_agent(
    sshd: Server, crowded: Agent
) -> None:
    assert bounded(_says(sshd.node())) == "in\n"


def test_so_is_the_agents_copy_of_it(sshd: Server, crowded: Agent, client_home: Path) -> None:
    crowded.add(sshd.key)
    half = client_home / "half.pub"  # a password manager gives out the public half only
    half.write_text(public_key(sshd.key) + "\n")
    assert bounded(_says(sshd.node(identity_file=str(half)))) == "in\n"


def test_a_locked_file_is_used_by_the_agents_copy(
    make_sshd: Callable[..., Server], crowded: Agent, client_home: Path
) -> None:
    server = make_sshd()
    crowded.add(server.key)
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-f", str(server.key), "-N", "opensesame"],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    for beside in (True, False):
        if not beside:
            server.key.with_name(server.key.name + ".pub").unlink()
        assert bounded(_says(server.node())) == "in\n"


def test_too_many_keys_are_told_with_the_cure(sshd: Server, crowded: Agent) -> None:
    error = _fails(sshd.node(identity_file=None))
    assert error.code == "ssh-auth-failed"
    assert error.reason == (
        f"{sshd.user}@127.0.0.1:{sshd.port} ends the login before all {MANY} keys are offered: "
        "too many that it does not accept (no key file, keys of the SSH agent)"
    )
    assert "ssh.identity_file" in error.hint
    assert "IdentitiesOnly yes" in error.hint


def test_too_many_after_the_named_key_is_a_key_that_is_not_installed(
    sshd: Server, crowded: Agent, client_home: Path
) -> None:
    key = make_key(client_home / "mine")
    error = _fails(sshd.node(identity_file=str(key)))
    assert "accepts none of the keys tried" in error.reason
    assert f"ssh-copy-id -i {key} -p {sshd.port} {sshd.user}@127.0.0.1" in error.hint


def test_identities_only_keeps_the_agents_other_keys_back(
    sshd: Server, crowded: Agent, client_home: Path
) -> None:
    crowded.add(sshd.key)
    _config(client_home, f"Host *\n  IdentitiesOnly yes\n  IdentityFile {sshd.key}\n")
    assert bounded(_says(sshd.node(identity_file=None))) == "in\n"
    other = make_key(client_home / "mine")
    _config(client_home, f"Host *\n  IdentitiesOnly yes\n  IdentityFile {other}\n")
    assert "accepts none of the keys tried" in _fails(sshd.node(identity_file=None)).reason


@pytest.mark.parametrize(
    "value",
    ['"~/My Group/s"', "$MY_AGENT", "SSH_AUTH_SOCK"],
    ids=["path", "variable", "default"],
)
def test_identity_agent(
    value: str, sshd: Server, client_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = client_home / "My Group"
    folder.mkdir()
    own = Agent(folder / "s")
    other = Agent(client_home / "other")
    try:
        own.add(sshd.key)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(other.sock))
        monkeypatch.setenv("MY_AGENT", str(own.sock))
        if value == "SSH_AUTH_SOCK":
            monkeypatch.setenv("SSH_AUTH_SOCK", str(own.sock))
        _config(client_home, f"Host *\n  IdentityAgent {value}\n")
        assert bounded(_says(sshd.node(identity_file=None))) == "in\n"
        _config(client_home, "Host *\n  IdentityAgent none\n")
        assert "no SSH agent" in _fails(sshd.node(identity_file=None)).reason
    finally:
        own.stop()
        other.stop()


def test_identity_file_none_leaves_the_default_keys_out(sshd: Server, client_home: Path) -> None:
    make_key(client_home / ".ssh" / "id_ed25519")
    _config(client_home, "Host *\n  IdentityFile none\n")
    assert "(no key file, no SSH agent)" in _fails(sshd.node(identity_file=None)).reason


def test_an_agent_that_is_gone_is_told(sshd: Server, agent: Agent) -> None:
    agent.stop()
    agent.sock.unlink(missing_ok=True)
    error = _fails(sshd.node(identity_file=None))
    assert f"the SSH agent {agent.sock} does not answer" in error.reason


def test_an_agent_that_waits_for_its_user_is_told(
    sshd: Server, client_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sock = client_home / "silent"
    monkeypatch.setenv("SSH_AUTH_SOCK", str(sock))

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def body() -> None:
        server = await asyncio.start_unix_server(silent, sock)
        with pytest.raises(AuthFailed, match="does not answer within") as caught:
            await Connector({}).connect(sshd.node(identity_file=None, connect_timeout_s=1))
        assert "unlock" in caught.value.hint
        server.close()

    bounded(body())


# what the hints name


def test_the_hint_names_what_is_really_missing(sshd: Server, client_home: Path) -> None:
    locked = make_key(client_home / "locked", passphrase="opensesame")
    assert _fails(sshd.node(identity_file=str(locked))).hint == f"Unlock it: ssh-add {locked}"
    assert "ssh-keygen -t ed25519 -f ~/.ssh/gone && ssh-copy-id -i ~/.ssh/gone" in (
        _fails(sshd.node(identity_file="~/.ssh/gone")).hint
    )
    assert "ssh-keygen -t ed25519 -f ~/.ssh/id_ed25519" in (
        _fails(sshd.node(identity_file=None)).hint
    )


def test_the_hint_goes_through_the_jump_host(sshd: Server, client_home: Path) -> None:
    key = make_key(client_home / "mine")
    gate, node = sshd.node("gate"), sshd.node(identity_file=str(key), proxy_jump="gate")
    with pytest.raises(AuthFailed) as caught:
        bounded(Connector({"gate": gate}).connect(node))
    at = f"{sshd.user}@127.0.0.1"
    assert caught.value.hint == (
        f"Install one: ssh-copy-id -i {key} -o ProxyJump={at}:{sshd.port} -p {sshd.port} {at}"
    )


def test_a_certificate(make_sshd: Callable[..., Server], client_home: Path) -> None:
    authority = make_key(client_home / "authority")
    server = make_sshd(f"TrustedUserCAKeys {authority}.pub\n")
    server.authorized_keys.write_text("")
    key = make_key(client_home / "mine")
    subprocess.run(
        ["ssh-keygen", "-q", "-s", str(authority), "-I", "me", "-n", server.user, f"{key}.pub"],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    elsewhere = client_home / "elsewhere-cert.pub"
    (client_home / "mine-cert.pub").rename(elsewhere)
    _config(client_home, f"Host *\n  CertificateFile {elsewhere}\n")
    assert bounded(_says(server.node(identity_file=str(key)))) == "in\n"


def test_a_missing_certificate_is_told(sshd: Server, client_home: Path) -> None:
    _config(client_home, "Host *\n  CertificateFile ~/.ssh/gone-cert.pub\n")
    assert bounded(_says(sshd.node())) == "in\n"
    other = make_key(client_home / "mine")
    error = _fails(sshd.node(identity_file=str(other)))
    assert f"({other}, ~/.ssh/gone-cert.pub: no such file, no SSH agent)" in error.reason


@pytest.mark.parametrize(
    "line", ["PubkeyAuthentication no", "PreferredAuthentications gssapi-with-mic,password"]
)
def test_a_config_that_excludes_keys(line: str, sshd: Server, client_home: Path) -> None:
    _config(client_home, f"Host *\n  {line}\n")
    error = _fails(sshd.node())
    assert f"~/.ssh/config says {line} for 127.0.0.1" in error.reason
