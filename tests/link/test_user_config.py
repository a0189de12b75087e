"""Reading ``~/.ssh/config`` as OpenSSH does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fleetctl.errors import LinkError
from fleetctl.link.ssh.connect import Connector
from fleetctl.link.ssh.user_config import words
from fleetctl.model.topology import SSH, Node
from tests.openssh import Server, bounded, make_key, public_key


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("User pi", ["User", "pi"]),
        ("User pi # the stock account", ["User", "pi"]),
        ("User pi\t#", ["User", "pi"]),
        ("User pi#1", ["User", "pi#1"]),
        ('User "pi # 1"', ["User", "pi # 1"]),
        ("IdentityFile ~/a\\ b", ["IdentityFile", "~/a b"]),
        ('IdentityFile "~/My Keys/k" #k', ["IdentityFile", "~/My Keys/k"]),
        (r"User DOMAIN\pi", ["User", r"DOMAIN\pi"]),
        (r"User 'it\'s'", ["User", "it's"]),
        ("Host a b !c # d", ["Host", "a", "b", "!c"]),
        ("ProxyCommand ssh -W '%h:%p # x", ["ProxyCommand", "ssh", "-W", "'%h:%p", "#", "x"]),
    ],
)
def test_words(line: str, expected: list[str]) -> None:
    assert words(line) == expected


def test_a_quote_that_is_not_closed() -> None:
    with pytest.raises(ValueError, match="No closing quotation"):
        words('User "pi')


@pytest.mark.parametrize("value", ["pi", "pi # the account", '"pi"', "pi#x", "DOM\\\\pi"])
def test_ssh_itself_reads_the_same(value: str, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(f"User {value}\n")
    done = subprocess.run(
        ["ssh", "-G", "-F", str(config), "host"], capture_output=True, text=True, check=True
    )
    assert f"user {words(f'User {value}')[1]}\n" in done.stdout


def test_a_comment_behind_a_value(sshd: Server, client_home: Path) -> None:
    (client_home / ".ssh" / "config").write_text(
        f"Host the-pi # in the attic\n  HostName 127.0.0.1 # its address\n  Port {sshd.port} #\n"
        f"  User {sshd.user} # the account\n  IdentityFile {sshd.key} # the key\n"
        f"  UserKnownHostsFile {sshd.known_hosts} # not ~/.ssh/known_hosts\n"
    )

    async def body() -> None:
        await (await Connector({}).connect(Node("pi4", SSH("the-pi")))).close()

    bounded(body())


def _host_key_hint(node: Node, client_home: Path, config: str) -> str:
    (client_home / ".ssh" / "config").write_text(config)
    with pytest.raises(LinkError) as caught:
        bounded(Connector({}).connect(node))
    assert caught.value.code.startswith("ssh-host-key")
    return caught.value.hint


@pytest.mark.parametrize(
    ("config", "known_hosts", "accepting"),
    [
        ("", None, "ssh -p"),
        ("StrictHostKeyChecking no\n", None, "ssh -o StrictHostKeyChecking=ask -p"),
        ("UserKnownHostsFile ~/mine\n", None, "ssh -p"),
        ("", "~/other", "ssh -o UserKnownHostsFile=~/other -p"),
    ],
)
def test_a_host_key_is_accepted_where_it_is_looked_for(
    config: str, known_hosts: str | None, accepting: str, sshd: Server, client_home: Path
) -> None:
    hint = _host_key_hint(sshd.node(known_hosts=known_hosts), client_home, config)
    assert hint.endswith(f"accept it once with: {accepting} {sshd.port} {sshd.user}@127.0.0.1")


@pytest.mark.parametrize("file", ["/dev/null", "none"])
def test_where_no_host_key_is_kept_another_file_is_named(
    file: str, sshd: Server, client_home: Path
) -> None:
    config = f"UserKnownHostsFile {file}\nStrictHostKeyChecking off\n"
    hint = _host_key_hint(sshd.node(known_hosts=None), client_home, config)
    assert (
        "ssh -o StrictHostKeyChecking=ask -o UserKnownHostsFile=~/.ssh/known_hosts "
        f"-p {sshd.port} {sshd.user}@127.0.0.1; then set ssh.known_hosts: ~/.ssh/known_hosts"
    ) in hint


def test_a_changed_host_key_is_forgotten_in_its_file(sshd: Server, client_home: Path) -> None:
    other = make_key(client_home / "other_host_key")
    (client_home / "mine").write_text(f"[127.0.0.1]:{sshd.port} {public_key(other)}\n")
    hint = _host_key_hint(sshd.node(known_hosts="~/mine"), client_home, "")
    assert f"ssh-keygen -R '[127.0.0.1]:{sshd.port}' -f ~/mine;" in hint


def test_what_matters_and_is_not_honoured_is_known(sshd: Server, client_home: Path) -> None:
    (client_home / ".ssh" / "config").write_text(
        "Host 127.0.0.1\n  PKCS11Provider /usr/lib/opensc.so\n  BindAddress 127.0.0.2\n"
        "  KnownHostsCommand /usr/bin/known %H # by name\n  ControlPath ~/.ssh/%C\n"
        "  GSSAPIAuthentication yes\n  BindInterface none\n"
        "Host elsewhere\n  RevokedHostKeys /etc/revoked\n"
    )

    async def body() -> tuple[str, ...]:
        link = await Connector({}).connect(sshd.node())
        await link.close()
        return link.ignored

    assert bounded(body()) == (
        "BindAddress 127.0.0.2 (line 3 of ~/.ssh/config)",
        "GSSAPIAuthentication yes (line 6 of ~/.ssh/config)",
        "KnownHostsCommand /usr/bin/known %H # by name (line 4 of ~/.ssh/config)",
        "PKCS11Provider /usr/lib/opensc.so (line 2 of ~/.ssh/config)",
    )


def test_the_address_family_is_honoured(sshd: Server, client_home: Path) -> None:
    (client_home / ".ssh" / "config").write_text("AddressFamily inet6\n")
    with pytest.raises(LinkError, match="not known"):
        bounded(Connector({}).connect(sshd.node()))
