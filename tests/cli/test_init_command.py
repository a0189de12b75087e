"""init: where hosts come from, what is written, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from fleetctl import cli
from fleetctl.cli import init_sources
from fleetctl.config import load
from fleetctl.discovery.assemble import shown
from fleetctl.errors import UsageError
from tests.e2e.terminal import Outside, Terminal
from tests.openssh import ACCOUNT, Server, open_folder, public_key
from tests.waiting import eventually

DOWN = "127.0.0.1:1"
PASSWORD = "correct-horse-7"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client_home: Path) -> Path:
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.delenv("FLEETCTL_CONFIG", raising=False)
    return place


def test_an_existing_file_is_left_alone(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "nodes.yaml").write_text("mine")
    assert cli.run(["init", DOWN]) == 2
    assert "nodes.yaml exists already, so nothing was asked. --merge" in capfd.readouterr().err
    assert (folder / "nodes.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no hosts are given, and there is no terminal"),
        (["a;b"], "'a;b' is no host"),
        (["--yes", "a"], "--yes is for --merge"),
        (["--merge", "a"], "no such file"),
        (["--from", "nothing"], "nothing cannot be read: No such file"),
        (["-f", "no/such/nodes.yaml", "a"], "there is no folder no/such"),
        (["--from", "/dev/null"], "/dev/null names no hosts"),
    ],
)
def test_wrong_calls(
    folder: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert cli.run(["init", *arguments]) == 2
    assert said in capfd.readouterr().err
    assert list(folder.iterdir()) == []


def test_no_host_that_answers_is_no_file(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["init", DOWN, "no-such-host.invalid"]) == 1
    err = capfd.readouterr().err
    assert "connection refused" in err
    assert err.endswith("fleetctl: no host could be asked, so nodes.yaml is not written\n")
    assert list(folder.iterdir()) == []


def test_two_servers_and_one_that_is_down(
    folder: Path,
    client_home: Path,
    make_sshd: Callable[..., Server],
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Written, checked, and completed by a second run."""
    one, two = make_sshd(), make_sshd()
    stranger = make_sshd()
    ssh = client_home / ".ssh"
    shutil.copy(one.key, ssh / "id_ed25519")
    two.authorized_keys.write_text(public_key(one.key) + "\n")
    hosts = "".join(server.known_hosts.read_text() for server in (one, two, stranger))
    (ssh / "known_hosts").write_text(hosts)
    (folder / "hosts").write_text(
        f"[all]\none ansible_host=127.0.0.1 ansible_port={one.port} ansible_user={one.user}\n"
        f"two ansible_host=127.0.0.1 ansible_port={two.port} ansible_user={two.user}\n"
    )
    closed = f"{stranger.user}@127.0.0.1:{stranger.port}"
    assert cli.run(["init", "--from", "hosts", closed, DOWN]) == 1
    out, err = capfd.readouterr()
    text = (folder / "nodes.yaml").read_text()
    fleet = load(folder / "nodes.yaml")
    assert list(fleet.nodes) == ["node-127-0-0-1", "one", "two"]
    assert fleet.nodes["two"].ssh.port == two.port
    assert fleet.nodes["one"].os == "linux"
    assert "# in hosts" in text
    assert f"# {DOWN} is left out: connection refused" in text
    assert "# not asked yet: " in text
    assert "wrote nodes.yaml: 3 nodes" in out
    assert "fleetctl init --merge" in err
    assert cli.run(["config", "check"]) == 0

    (folder / "nodes.yaml").write_bytes(
        f"fleet: f\r\nnodes:\r\n  one:  # mine\r\n    ssh: {{host: 127.0.0.1, port: {one.port},"
        f" user: {one.user}}}\r\n".encode()
    )
    capfd.readouterr()
    assert cli.run(["init", "--merge", f"{two.user}@127.0.0.1:{two.port}"]) == 2
    out, err = capfd.readouterr()
    assert "+    os: linux" in out
    assert "there is no terminal to ask on" in err
    assert cli.run(["init", "--merge", "--yes", f"{two.user}@127.0.0.1:{two.port}"]) == 0
    assert len(load(folder / "nodes.yaml").nodes) == 2
    written = (folder / "nodes.yaml").read_bytes()
    assert b"  one:  # mine\r\n" in written
    assert written.count(b"\n") == written.count(b"\r\n")
    capfd.readouterr()
    assert cli.run(["init", "--merge", "--json"]) == 2
    assert "add --yes" in capfd.readouterr().err
    assert cli.run(["init", "--merge", "--yes", "--json", DOWN]) == 1
    told = json.loads(capfd.readouterr().out)
    assert (told["schema"], told["ok"], told["written"]) == ("fleetctl.init/1", False, False)
    assert told["nodes"]["one"]["os"] == "linux" and told["file"] == "nodes.yaml"
    assert [host["asked"] for host in told["hosts"]] == [True, True, False]
    assert "connection refused" in told["hosts"][2]["reason"]
    assert cli.run(["init", "-f", "new.yaml", f"{one.user}@127.0.0.1:{one.port}", "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert (told["ok"], told["written"], len(told["nodes"])) == (True, True, 1)
    assert (folder / "new.yaml").exists()
    assert cli.run(["init", "--merge"]) == 0
    assert "nodes.yaml has all of it: nothing to add" in capfd.readouterr().out


def test_ctrl_c_while_a_host_is_asked(
    folder: Path, client_home: Path, make_sshd: Callable[..., Server]
) -> None:
    server = make_sshd()
    server.stop_listening()
    where = Outside(folder, HOME=str(client_home))
    host = f"127.0.0.1:{server.port}"
    try:
        with Terminal(where, [sys.executable, "-m", "fleetctl", "init", host]) as typing:
            typing.wait_for("asking … 127.0.0.1", 20)
            typing.type("\x03")
            assert typing.wait_for_end() == 130
    finally:
        server.go_on_listening()
    assert list(folder.iterdir()) == []


# where no key gets in


@pytest.fixture
def closed(client_home: Path, make_sshd: Callable[..., Server]) -> Path:
    """The known_hosts file, empty, by which the host ``box`` is not known."""
    server = make_sshd()
    known = client_home / "known"
    known.touch()
    (client_home / ".ssh" / "config").write_text(
        f"Host box\n  HostName 127.0.0.1\n  Port {server.port}\n  User {server.user}\n"
        f"  IdentityFile {server.key}\n  UserKnownHostsFile {known}\n  GlobalKnownHostsFile none\n"
    )
    return known


def terminal(folder: Path, client_home: Path) -> Terminal:
    return Terminal(
        Outside(folder, HOME=str(client_home)), [sys.executable, "-m", "fleetctl", "init", "box"]
    )


def test_ssh_s_own_questions_let_a_host_be_asked(
    folder: Path, client_home: Path, closed: Path
) -> None:
    with terminal(folder, client_home) as typing:
        typing.wait_for("No key gets into box. ssh can ask for the password.", 20)
        typing.wait_for("Log in that way now? [y/N]:")
        typing.type("y\n")
        typing.wait_for("Are you sure you want to continue connecting")
        typing.type("yes\n")
        typing.wait_for("wrote nodes.yaml: 1 node")
        assert typing.wait_for_end() == 0
    assert load(folder / "nodes.yaml").nodes["box"].os == "linux"
    assert "ssh-ed25519" in closed.read_text()


class WithPassword(Server):
    """Accepts a password and no key."""

    def _with_account(self, argv: list[str]) -> list[str]:
        config = self.folder / "sshd_config"
        text = config.read_text().replace("PasswordAuthentication no", "PasswordAuthentication yes")
        config.write_text(text.replace("\nAuthorizedKeysFile ", "\nAuthorizedKeysFile none #"))
        whole = super()._with_account(argv)
        hashed = subprocess.run(
            ["openssl", "passwd", "-6", "-stdin"], input=PASSWORD, capture_output=True, text=True
        ).stdout.strip()
        passwd = self.folder / "passwd"
        passwd.write_text(passwd.read_text().replace(f"{ACCOUNT}:x:", f"{ACCOUNT}:{hashed}:"))
        return whole


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives an account a password")
def test_a_password_is_asked_for_by_ssh_once(folder: Path, client_home: Path) -> None:
    with open_folder() as place:
        server = WithPassword(place / "sshd")
        server.start()
        try:
            (client_home / ".ssh" / "config").write_text(
                f"Host box\n  HostName 127.0.0.1\n  Port {server.port}\n  User {server.user}\n"
                f"  UserKnownHostsFile {server.known_hosts}\n  IdentityFile none\n"
            )
            with terminal(folder, client_home) as typing:
                typing.wait_for("Log in that way now? [y/N]:", 20)
                typing.type("y\n")
                typing.wait_for("password:")
                typing.type(f"{PASSWORD}\n")
                typing.wait_for("wrote nodes.yaml: 1 node")
                assert typing.wait_for_end() == 0
                assert PASSWORD not in typing.text
                assert typing.text.count("password:") == 1
            eventually(lambda: not server.sessions(), "the connection is ended")
        finally:
            server.stop()
    assert load(folder / "nodes.yaml").nodes["box"].os == "linux"


def test_ctrl_c_at_a_question_ends_it(folder: Path, client_home: Path, closed: Path) -> None:
    with terminal(folder, client_home) as typing:
        typing.wait_for("Log in that way now? [y/N]:", 20)
        assert typing.interrupt() == 130
    assert list(folder.iterdir()) == []


def test_a_host_that_is_not_logged_into_is_in_the_file(
    folder: Path, client_home: Path, closed: Path
) -> None:
    with terminal(folder, client_home) as typing:
        typing.wait_for("Log in that way now? [y/N]:", 20)
        typing.type("n\n")
        typing.wait_for("fleetctl init --merge")
        assert typing.wait_for_end() == 1
    assert "# not asked yet: " in (folder / "nodes.yaml").read_text()
    assert closed.read_text() == ""


# choosing


CONFIG = "Include more\nHost mini1 mini*\n  User me\nHost *\n  ServerAliveInterval 5\n"


@pytest.fixture
def choose(
    folder: Path, client_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[str]]:
    """What is chosen of an SSH configuration by what is typed, one prompt after the other."""
    (client_home / ".ssh" / "config").write_text(CONFIG)
    (client_home / ".ssh" / "more").write_text("Host pi5\nInclude ~/.ssh/config\n")
    monkeypatch.setattr(init_sources, "has_zeroconf", lambda: False)

    def chosen(*typed: str) -> list[str]:
        answers = iter(typed)
        monkeypatch.setattr(click, "prompt", lambda *_, **__: next(answers))
        return [shown(host.ssh) for host in init_sources.offered(None)]

    return chosen


def test_names_of_the_ssh_configuration_are_offered(
    choose: Callable[..., list[str]], capfd: pytest.CaptureFixture[str]
) -> None:
    assert choose("all") == ["mini1", "pi5"]
    err = capfd.readouterr().err
    assert "   1  mini1  in ~/.ssh/config\n   2  pi5    in ~/.ssh/more\n" in err
    assert "pip install 'fleetctl[discover]'" in err
    assert choose("pi5, 1") == ["pi5", "mini1"]
    assert choose("me@2 mini1", "") == ["me@pi5", "mini1"]
    assert choose("9", "1") == ["mini1"]
    assert "9 is none of them" in capfd.readouterr().err
    with pytest.raises(UsageError, match="no host was chosen"):
        choose("")


def test_nothing_to_choose_from(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(init_sources, "has_zeroconf", lambda: False)
    with pytest.raises(UsageError, match="no hosts were found"):
        init_sources.offered(None)
