"""`fleetctl keys` against real OpenSSH servers that ask for a password on a real terminal."""

from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.access.conftest import Controller, PasswordServer, needs_root, ssh_of
from tests.e2e.terminal import Terminal
from tests.openssh import UID, make_key, public_key

MakeServer = Callable[..., PasswordServer]
pytestmark = needs_root


def type_password(terminal: Terminal, password: str, prompts: int = 1) -> None:
    """At ssh's own prompt, of which so many were shown by then."""
    terminal.wait_for_times("'s password: ", prompts)
    terminal.type(f"{password}\n")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_from_nothing_to_logins_without_a_password(
    controller: Controller, make_password_sshd: MakeServer
) -> None:
    one, two = make_password_sshd(), make_password_sshd()
    two.home.chmod(0o777)
    key = controller.home / ".ssh" / "cluster"
    named = {"identity_file": "~/.ssh/cluster"}
    controller.fleet({"mini1": ssh_of(one, **named), "pi4": ssh_of(two, **named)})

    # what is set for logins by key must not keep the one by password from being tried
    (controller.home / ".ssh" / "config").write_text(
        "BatchMode yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
    )
    missing = controller.run("keys", "--check")
    assert missing.returncode == 1
    assert not key.exists()
    assert "mini1  ✖ the host key of 127.0.0.1" in missing.stdout
    told = json.loads(controller.run("keys", "--check", "--json").stdout)
    assert (told["schema"], told["ok"], list(told["nodes"])) == (
        "fleetctl.keys/1",
        False,
        ["mini1", "pi4"],
    )
    assert told["nodes"]["pi4"]["state"] == "error"
    assert told["nodes"]["pi4"]["key"] == "~/.ssh/cluster"
    assert told["nodes"]["pi4"]["reason"].startswith("the host key of 127.0.0.1")

    with controller.terminal("keys") as terminal:
        terminal.wait_for("Record the keys of mini1, pi4? [y/N]")
        terminal.type("y\n")
        terminal.wait_for("The name of the new one? [test]")
        terminal.type("my minis\n")
        terminal.wait_for("mini1: ssh asks for its account's password")
        type_password(terminal, PasswordServer.PASSWORD)
        terminal.wait_for("mini1  ● takes the key now")
        terminal.wait_for("pi4: ssh asks for its account's password")
        processes = [process.info["cmdline"] or () for process in psutil.process_iter(["cmdline"])]
        assert not any(PasswordServer.PASSWORD in word for argv in processes for word in argv)
        type_password(terminal, PasswordServer.PASSWORD, 2)
        assert terminal.wait_for_end() == 0
        text = terminal.text
    assert "every node takes the key" in text
    assert PasswordServer.PASSWORD not in text
    assert "pi4: others could write the home folder there, and cannot any more" in text
    assert mode(two.home) == 0o755
    assert key.with_suffix(".pub").read_text().endswith(" my minis\n")
    assert mode(key) == 0o600
    for server in (one, two):
        assert server.authorized.read_text() == key.with_suffix(".pub").read_text()
        assert (mode(server.authorized), server.authorized.stat().st_uid) == (0o600, UID)
        assert mode(server.authorized.parent) == 0o700

    again = controller.run("keys")
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.count("takes the key already") == 2
    checked = controller.run("keys", "--check", "--json")
    well = {"state": "works", "key": "~/.ssh/cluster", "reason": None, "hint": None}
    assert checked.returncode == 0
    assert json.loads(checked.stdout)["nodes"] == {"mini1": well, "pi4": well}
    assert one.authorized.read_text().count("\n") == 1
    for path in controller.home.rglob("*"):
        if path.is_file():
            assert PasswordServer.PASSWORD.encode() not in path.read_bytes()


def test_each_node_s_failure_is_its_own(
    controller: Controller, make_password_sshd: MakeServer
) -> None:
    """A password that is refused three times, a locked account, a server without passwords, one
    that reads other keys, a node that is off; and another is given access all the same."""
    wrong, right = make_password_sshd(), make_password_sshd()
    locked = make_password_sshd(locked=True)
    without = make_password_sshd("PasswordAuthentication no\n")
    elsewhere = make_password_sshd("AuthorizedKeysFile /etc/ssh/keys/%u\n")
    make_key(controller.home / ".ssh" / "cluster")
    nodes = {"wrong": wrong, "locked": locked, "without": without, "right": right}
    nodes["other"] = elsewhere
    controller.fleet(
        {
            name: ssh_of(
                server, identity_file="~/.ssh/cluster", known_hosts=str(server.known_hosts)
            )
            for name, server in nodes.items()
        }
        | {
            "off": "ssh: {host: 127.0.0.1, port: 1}",
            "behind": ssh_of(right, known_hosts=str(right.known_hosts), proxy_jump="wrong"),
        }
    )
    deaf = controller.run("keys", "wrong")
    assert deaf.returncode == 1
    assert "password must be typed, and there is no terminal" in deaf.stdout

    with controller.terminal("keys") as terminal:
        for prompt in range(1, 4):
            type_password(terminal, "wrong", prompt)
        for prompt in range(4, 9):
            type_password(terminal, PasswordServer.PASSWORD, prompt)
        assert terminal.wait_for_end(20) == 1
        text = terminal.text
    assert "wrong    ✖ fleet-test@127.0.0.1 refused the password 3 times" in text
    assert "locked   ✖ fleet-test@127.0.0.1 refused the password 3 times" in text
    assert "without  ✖ fleet-test@127.0.0.1 takes no passwords" in text
    assert "right    ● takes the key now" in text
    assert "other    ✖ the key is in ~/.ssh/authorized_keys there, and refused all the same" in text
    assert "behind   ✖ cannot go through wrong: " in text
    assert "off      ✖ connection refused by 127.0.0.1:1" in text
    assert "Permission denied, please try again." in text


def test_ctrl_c_at_a_prompt_leaves_nothing(
    controller: Controller, make_password_sshd: MakeServer
) -> None:
    server = make_password_sshd()
    make_key(controller.home / ".ssh" / "cluster")
    known = {"identity_file": "~/.ssh/cluster", "known_hosts": str(server.known_hosts)}
    controller.fleet({"pi4": ssh_of(server, **known)})
    with controller.terminal("keys") as terminal:
        terminal.wait_for("'s password: ")
        terminal.type("\x03")
        assert terminal.wait_for_end() == 130
        children = psutil.Process().children(recursive=True)
        assert not [p for p in children if p.name() == "ssh"]
    assert not server.authorized.exists()


@pytest.mark.long
def test_a_node_behind_a_jump_host_and_over_another_key(
    controller: Controller, make_password_sshd: MakeServer
) -> None:
    """The jump host comes first, though it stands last; the inner node's account is asked through
    it. What takes another key gets this one without a password."""
    inner, gate, other = (make_password_sshd() for _ in range(3))
    old = make_key(controller.home / ".ssh" / "id_ed25519")
    other.authorized.parent.mkdir(mode=0o700)
    other.authorized.write_text(public_key(old))
    for path in (other.authorized.parent, other.authorized):
        subprocess.run(["chown", str(UID), str(path)], check=True)
    controller.fleet(
        {
            "pi4": ssh_of(inner, identity_file="~/.ssh/cluster", proxy_jump="mini1"),
            "mini1": ssh_of(gate, identity_file="~/.ssh/cluster"),
            "mini2": ssh_of(other),
        }
    )
    (controller.home / ".ssh" / "config").write_text(
        f"Match originalhost 127.0.0.1\nIdentityFile {controller.home}/.ssh/cluster\n"
        f"IdentityFile {old}\n"
    )
    with controller.terminal("keys", "--yes") as terminal:
        terminal.wait_for("mini1: ssh asks")
        type_password(terminal, PasswordServer.PASSWORD)
        terminal.wait_for("pi4: ssh asks")
        type_password(terminal, PasswordServer.PASSWORD, 2)
        assert terminal.wait_for_end() == 0, terminal.text
        assert "mini2  ● takes the key now" in terminal.text
    line = (controller.home / ".ssh" / "cluster.pub").read_text()
    assert other.authorized.read_text() == f"{public_key(old)}\n{line}"
    assert inner.authorized.read_text() == line


def test_a_key_that_nothing_names_and_the_entries_in_ssh_s_configuration(
    controller: Controller, make_password_sshd: MakeServer
) -> None:
    server = make_password_sshd()
    config = controller.home / ".ssh" / "config"
    theirs = b"ServerAliveInterval 7\n\nHost pi4\n    HostName 127.0.0.1\n    User nobody # \xff\n"
    config.write_bytes(theirs)
    ssh = f"port: {server.port}, user: {server.user}, known_hosts: {server.known_hosts}"
    controller.fleet({"pi4": f"ssh: {{{ssh}}}"})
    with controller.terminal("keys", "--yes") as terminal:
        type_password(terminal, PasswordServer.PASSWORD)
        assert terminal.wait_for_end() == 1
        assert "nothing names ~/.ssh/fleetctl_test for it" in terminal.text
    assert config.read_bytes() == theirs
    with controller.terminal("keys", "--ssh-config") as terminal:
        terminal.wait_for("Write this into ~/.ssh/config? [y/N]")
        assert "IdentityFile ~/.ssh/fleetctl_test" in terminal.text
        assert "line 3 of ~/.ssh/config has an entry for pi4, too" in terminal.text
        terminal.type("y\n")
        assert terminal.wait_for_end() == 0
    assert config.read_bytes().endswith(b"\n\n" + theirs)
    written = config.read_bytes()
    again = controller.run("keys", "--ssh-config")
    assert again.returncode == 0, again.stderr
    assert "~/.ssh/config has these entries already" in again.stdout
    assert config.read_bytes() == written
