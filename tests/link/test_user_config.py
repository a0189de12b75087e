"""Reading ``~/.ssh/config`` as OpenSSH does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fleetctl.link.ssh.connect import Connector
from fleetctl.link.ssh.user_config import words
from fleetctl.model.topology import SSH, Node
from tests.openssh import Server, bounded


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
