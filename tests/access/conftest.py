"""Real OpenSSH servers, and the command line that is to gain access to them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.terminal import Outside, Terminal
from tests.openssh import Server, client_home, make_sshd, sshd

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


@pytest.fixture
def controller(client_home: Path) -> Controller:
    return Controller(client_home)


def ssh_of(server: Server, **more: str) -> str:
    """How nodes.yaml says to reach ``server``, with what ~/.ssh has for the rest."""
    given = {"host": "127.0.0.1", "port": str(server.port), "user": server.user, **more}
    return "ssh: {" + ", ".join(f"{name}: {value}" for name, value in given.items()) + "}"
