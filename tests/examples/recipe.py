"""A recipe of examples/ on a lab of its own nodes.yaml, and a user who runs it there."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleetctl.lab import Lab
from tests.conftest import MakeLab
from tests.e2e.cluster import sh
from tests.waiting import eventually

EXAMPLES = Path(__file__).parents[2] / "examples"
NODES = ("mini1", "mini2", "mini3", "pi5", "pi4")
ACCOUNT = "me"
INSTALL_S = 1200.0
START_S = 300.0
STOP_S = 120.0


@contextmanager
def installed(*packages: str) -> Iterator[Path]:
    """A virtual environment with ``packages``; the test is skipped where it cannot be made."""
    with tempfile.TemporaryDirectory(prefix="fleetctl-recipe-") as folder:
        pip = [f"{folder}/bin/python", "-m", "pip", "install", "--quiet", *packages]
        for argv in ([sys.executable, "-m", "venv", folder], pip):
            done = subprocess.run(
                argv, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S, check=False
            )
            if done.returncode:
                last = (done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2]
                pytest.skip(f"{', '.join(packages)} cannot be installed here: {last}")
        Path(folder).chmod(0o755)
        yield Path(folder)


class Recipe:
    """One recipe, at ``~/NAME`` of every node and of the controller.

    :param environment: becomes ``.venv`` there, as its ``prepare`` would make it.
    """

    def __init__(self, make_lab: MakeLab, name: str, environment: Path) -> None:
        self.name = name
        folder = EXAMPLES / name
        text = (folder / "nodes.yaml").read_text("utf-8")
        mounts = [(environment, str(environment))]
        self.lab: Lab = make_lab(text, copies=[(folder, f"~/{name}")], mounts=mounts)
        for node in NODES:
            sh(self.lab, node, f"ln -s {environment} ~/{name}/.venv")

    def fleetctl(self, *arguments: str, timeout_s: float = START_S) -> str:
        """What a command prints; it must succeed."""
        argv = ["fleetctl", "-f", f"{self.name}/nodes.yaml", *arguments]
        done = self.lab.run("controller", argv, timeout_s=timeout_s)
        said = done.stdout.decode() + done.stderr.decode()
        assert done.returncode == 0, said
        return said

    def on(self, node: str, line: str) -> str:
        """What a shell line prints in the recipe's folder on a node; it must succeed."""
        return sh(self.lab, node, f"cd ~/{self.name} && {line}")

    def running(self, node: str) -> list[str]:
        """The commands of the account's processes, but for logins."""
        lines = sh(self.lab, node, f"ps -u {ACCOUNT} -o args= || true", user="root").splitlines()
        return [line for line in lines if not line.startswith(("sshd:", "ps "))]

    def kill(self, node: str, text: str) -> None:
        """End the one process whose command has ``text`` in it, by KILL."""
        lines = sh(self.lab, node, f"ps -u {ACCOUNT} -o pid=,args=", user="root").splitlines()
        found = [line.split()[0] for line in lines if text in line]
        assert len(found) == 1, lines
        sh(self.lab, node, f"kill -KILL {found[0]}")

    def left(self) -> dict[str, list[str]]:
        """What runs on each node, where anything does."""
        return {node: commands for node in NODES if (commands := self.running(node))}

    def stop(self) -> None:
        """Stop all; nothing that it started may be left on any node."""
        self.fleetctl("stop", timeout_s=STOP_S)
        eventually(lambda: not self.left(), f"nothing is left of {self.name}", 10)
