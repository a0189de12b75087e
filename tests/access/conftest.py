"""Real OpenSSH servers, and the command line that is to gain access to them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.e2e.terminal import Outside, Terminal
from tests.openssh import ACCOUNT, Server, client_home, make_sshd, open_folder, sshd

__all__ = ["client_home", "make_sshd", "sshd"]

ROOT = Path(__file__).parents[2]


class Controller:
    """A machine with a nodes.yaml, on which fleetctl is run."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.known_hosts = home / ".ssh" / "known_hosts"
        self._env = {"HOME": str(home), "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}

    def fleet(self, nodes: dict[str, str], networks: str = "") -> None:
        """Write nodes.yaml. ``nodes`` has of each what follows its name, in flow style."""
        lines = "".join(f"  {name}: {{{text}}}\n" for name, text in nodes.items())
        text = f"fleet: test\ninternet: null\n{networks}nodes:\n{lines}"
        (self.home / "nodes.yaml").write_text(text)

    def _argv(self, arguments: Sequence[str]) -> list[str]:
        return [sys.executable, "-m", "fleetctl", *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command without a terminal, in a session of its own."""
        return subprocess.run(
            self._argv(arguments),
            cwd=self.home,
            env={**os.environ, **self._env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            start_new_session=True,
        )

    def terminal(self, *arguments: str) -> Terminal:
        """A command on a terminal."""
        return Terminal(Outside(self.home, **self._env), self._argv(arguments), columns=200)


class PasswordServer(Server):
    """Its account has a password, and an ``authorized_keys`` of its own, with no key in it."""

    PASSWORD = "opensesame"
    HASH = (
        "$6$fleetctl$u529FU.Y8s.tmGSzyc7Ws1FKBwmPO3pLhtjKfvWkRRkvNCTqR4VaxwQyiSGbjQt1OoODoclpyCr7NL0"
        "a0Thuj1"
    )
    """Of it, as ``openssl passwd -6`` makes them."""
    locked = False
    first = ""
    """Of its configuration."""

    @property
    def authorized(self) -> Path:
        return self.home / ".ssh" / "authorized_keys"

    def config(self) -> str:
        more = "StrictModes yes\nPasswordAuthentication yes\n" + super().config()
        return f"{self.first}AuthorizedKeysFile .ssh/authorized_keys\n{more}"

    def _with_account(self, argv: list[str]) -> list[str]:
        """Also in /etc/shadow."""
        shadow = self.folder / "shadow"
        hashed = "!" * self.locked + self.HASH
        shadow.write_text(Path("/etc/shadow").read_text() + f"{ACCOUNT}:{hashed}:19000::::::\n")
        shadow.chmod(0o600)
        script = 'mount --bind "$0" /etc/shadow && exec "$@"'
        return super()._with_account(["sh", "-c", script, str(shadow), *argv])


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: an account with a password")


@pytest.fixture
def make_password_sshd() -> Iterator[Callable[..., PasswordServer]]:
    """A factory of them; ``locked``: the account lets nobody in."""
    made: list[PasswordServer] = []
    with open_folder() as folder:

        def make(first: str = "", *, locked: bool = False) -> PasswordServer:
            server = PasswordServer(folder / str(len(made)))
            server.first, server.locked = first, locked
            made.append(server)
            server.start()
            return server

        yield make
        for server in made:
            server.stop()


@pytest.fixture
def controller(client_home: Path) -> Controller:
    return Controller(client_home)


def ssh_of(server: Server, **more: str) -> str:
    """How nodes.yaml says to reach ``server``, with what ~/.ssh has for the rest."""
    given = {"host": "127.0.0.1", "port": str(server.port), "user": server.user, **more}
    return "ssh: {" + ", ".join(f"{name}: {value}" for name, value in given.items()) + "}"
