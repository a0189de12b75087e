"""What the SSH configuration says is asked of the installed ``ssh``, and kept until it changes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import asdict

from fleetctl.errors import ConnectFailed
from fleetctl.link.ssh.host_config import HostConfig
from fleetctl.link.ssh.host_configs import HostConfigs
from fleetctl.model.topology import SSH
from tests.openssh import bounded

AGENT = "/run/agent"


@pytest.fixture
def home(client_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SSH_AUTH_SOCK", AGENT)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    return client_home


def write(home: Path, text: str | bytes, name: str = "config") -> Path:
    file = home / ".ssh" / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def asked(host: str = "the-pi", **more: Any) -> HostConfig:
    """As a new command asks."""

    async def body() -> HostConfig:
        return await HostConfigs().of("pi4", SSH(host, **more))

    return bounded(body())


def refused(host: str = "the-pi", **more: Any) -> str:
    with pytest.raises(ConnectFailed) as caught:
        asked(host, **more)
    assert caught.value.node == "pi4"
    return caught.value.reason


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("HostName 10.0.0.9\nPort 2222\nUser pi", {"host": "10.0.0.9", "port": 2222, "user": "pi"}),
        ("HostName %h.lan", {"host": "the-pi.lan"}),
        ("Match exec \"test %n = the-pi\"\n  User found", {"user": "found"}),
        ("Match originalhost the-* user pi\n  Port 7\nHost *\n User pi", {"port": 22}),
        ("ConnectTimeout 1m\nServerAliveInterval 2h\nUser pi", {"user": "pi"}),
        ("User pi # the stock account", {"user": "pi"}),
        ("IdentityFile %d/.ssh/%r@%n-%p # mine", {"identity_files": ("{home}/.ssh/pi@the-pi-22",)}),
        ("IdentityFile ~/a\nIdentityFile ~/b", {"identity_files": ("~/a", "~/b")}),
        ("IdentityFile ${FLEET_KEY}", {"identity_files": ("/keys/k",)}),
        ("IdentityFile none", {"identity_files": ()}),
        ("UserKnownHostsFile ~/a \"/b/with a blank\" /c", {
            "known_hosts": ("~/a", "/b/with a blank", "/c")}),
        ("UserKnownHostsFile none\nGlobalKnownHostsFile /g", {
            "known_hosts": (), "global_known_hosts": ("/g",)}),
        ("HostKeyAlias other", {"alias": "other"}),
        ("HashKnownHosts yes", {"hash_names": True}),
        ("HashKnownHosts no", {"hash_names": False}),
        ("ProxyJump a@b:1,c", {"proxy_jump": "a@b:1,c", "proxy_command": None}),
        ("ProxyJump none", {"proxy_jump": None, "proxy_command": None}),
        ("ProxyCommand nc %h %p", {"proxy_command": ("/bin/sh", "-c", "exec nc the-pi 22")}),
        ("ProxyCommand none", {"proxy_command": None}),
        ("IdentityAgent none", {"agent": None}),
        ("IdentityAgent SSH_AUTH_SOCK", {"agent": AGENT}),
        ("IdentityAgent $FLEET_KEY", {"agent": "/keys/k"}),
        ("IdentityAgent $NOT_THERE", {"agent": None}),
        ("IdentityAgent ${FLEET_KEY}/%n", {"agent": "/keys/k/the-pi"}),
        ("IdentityAgent ~/%n", {"agent": "{home}/the-pi"}),
        ("IdentityAgent \"~/Library/Group Containers/a b.sock\"", {
            "agent": "{home}/Library/Group Containers/a b.sock"}),
        ("IdentitiesOnly yes", {"identities_only": True}),
        ("AddressFamily inet6", {"family": 10}),
        ("Compression yes\nStrictHostKeyChecking accept-new", {
            "compression": True, "strict": "accept-new"}),
        ("SetEnv A=b\nSendEnv LC_*", {"set_env": {"A": "b"}}),
        ("Ciphers aes256-ctr,aes128-ctr", {
            "algorithms": {"encryption_algs": ["aes256-ctr", "aes128-ctr"]}}),
        ("PubkeyAuthentication no", {"without_keys": ("PubkeyAuthentication no",)}),
        (b"# gr\xfc\xdfe\nUser pi\n", {"user": "pi"}),
    ],
    ids=str,
)  # fmt: skip
def test_a_configuration(
    lines: str | bytes, expected: dict[str, object], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEET_KEY", "/keys/k")
    monkeypatch.setenv("SHELL", "/bin/sh")
    write(home, lines)
    user = "pi" if "%r" in str(lines) else None
    filled = {
        name: _filled(value, home) if isinstance(value, str | tuple) else value
        for name, value in expected.items()
    }
    found = asdict(asked(user=user))
    assert {name: found[name] for name in expected} == filled


def _filled(value: str | tuple[str, ...], home: Path) -> str | tuple[str, ...]:
    if isinstance(value, str):
        return value.replace("{home}", str(home))
    return tuple(one.replace("{home}", str(home)) for one in value)


def test_the_same_is_known_where_there_is_no_ssh(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        "Host the-pi\n  HostName 10.0.0.9\n  Port 2222 # forwarded\n  User pi\n  ProxyJump gate\n"
    )
    text += "  IdentityFile ~/.ssh/k\n  IdentitiesOnly yes\n  UserKnownHostsFile ~/a ~/b\n"
    text += "  HostKeyAlias other\n  AddressFamily inet\n  BindAddress 10.0.0.1\n"
    text += "  CheckHostIP yes\n  RevokedHostKeys ~/.ssh/revoked\n"
    text += "  HashKnownHosts no\n"
    write(home, text)
    by_ssh = asked()
    monkeypatch.setenv("PATH", str(home))
    by_ours = asked()
    different = {"send_env"}  # /etc/ssh/ssh_config is not read
    assert {k: v for k, v in asdict(by_ssh).items() if k not in different} == {
        k: v for k, v in asdict(by_ours).items() if k not in different
    }


def test_what_nodes_yaml_says_comes_first(home: Path) -> None:
    write(home, "User other\nPort 1\nMatch user me\n  HostKeyAlias mine\n")
    found = asked(user="me", port=2200)
    assert (found.user, found.port, found.alias) == ("me", 2200, "mine")


# -- what is refused -----------------------------------------------------------------------------


def test_a_file_that_others_may_write_is_refused(home: Path) -> None:
    write(home, "User pi\n").chmod(0o666)
    assert "Bad owner or permissions on" in refused()


def test_a_bad_line_is_named(home: Path) -> None:
    file = write(home, "Host the-pi\n  Prot 22\n")
    assert f"{file}: line 2: Bad configuration option: prot" in refused()


def test_includes_that_run_in_a_circle_are_refused(home: Path) -> None:
    write(home, "Include config\n")
    assert "Too many recursive configuration includes" in refused()


def test_algorithms_that_nobody_here_has_are_refused(home: Path) -> None:
    write(home, "MACs hmac-sha2-256,umac-64@openssh.com\n")
    assert asked().algorithms["mac_algs"][0] == "hmac-sha2-256"
    write(home, "MACs nothing\n")
    assert "Bad SSH2 MAC spec" in refused()
    write(home, "Ciphers +aes128-cbc,aes192-cbc,aes256-cbc,3des-cbc\n")
    assert "aes128-cbc" in asked().algorithms["encryption_algs"]


def test_an_unknown_token_is_refused(home: Path) -> None:
    write(home, "IdentityFile ~/%z\n")
    assert "%z is no token" in refused()


def test_one_host_whose_match_hangs_delays_no_other(home: Path) -> None:
    write(home, 'Match originalhost slow exec "sleep 60"\n  User pi\nHost *\n  User pi\n')
    began = time.monotonic()
    assert "does a Match exec of the configuration wait" in refused("slow", connect_timeout_s=0.5)
    assert asked("fast").user == "pi"
    assert time.monotonic() - began < 20


# -- what is kept --------------------------------------------------------------------------------


def counted(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a line for each run of ssh."""
    real = subprocess.run(["sh", "-c", "command -v ssh"], capture_output=True, check=True)
    folder = home / "bin"
    folder.mkdir()
    runs = home / "runs"
    runs.touch()
    program = folder / "ssh"
    program.write_text(f'#!/bin/sh\necho "$@" >>{runs}\nexec {real.stdout.decode().strip()} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return runs


def test_the_next_command_asks_only_what_has_changed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = counted(home, monkeypatch)
    write(home, "Include more-*\nHost the-pi\n  User one\n")
    assert asked().user == "one"
    first = runs.read_text().count("\n")
    assert asked().user == "one"
    assert runs.read_text().count("\n") == first == 2  # the host, and what ssh's defaults are
    write(home, "Include more-*\nHost the-pi\n  User another\n")
    assert asked().user == "another"
    write(home, "User included\n", "more-1")  # a file that was not there
    assert asked().user == "included"
    write(home, "User changed\n", "more-1")
    assert asked().user == "changed"
    before = runs.read_text()
    assert asked().user == "changed"
    assert runs.read_text() == before


@pytest.mark.parametrize("line", ['Match exec "true"\n  User {}', "User {}\nSetEnv X=${{HOME}}"])
def test_what_depends_on_more_than_files_is_asked_each_time(
    line: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = counted(home, monkeypatch)
    write(home, line.format("one"))
    assert asked().user == "one"
    before = runs.read_text().count("\n")
    assert asked().user == "one"
    assert runs.read_text().count("\n") > before


def test_a_file_that_somebody_else_may_have_written_is_not_believed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home, "User one\n")
    asked()
    kept = home / ".cache" / "fleetctl" / "ssh-config.json"
    kept.write_text(kept.read_text().replace('"one"', '"two"'))
    assert asked().user == "two"
    kept.chmod(0o666)
    assert asked().user == "one"
    kept.write_text("no JSON")
    kept.chmod(0o600)
    assert asked().user == "one"


def test_hosts_that_are_asked_together_are_asked_once_each(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = counted(home, monkeypatch)
    write(home, "User pi\n")

    async def body() -> None:
        configs = HostConfigs()
        names = [f"n{number % 5}" for number in range(40)]
        found = await asyncio.gather(*(configs.of(name, SSH(name)) for name in names))
        assert {one.host for one in found} == set(names)

    bounded(body())
    assert runs.read_text().count("\n") == 6
