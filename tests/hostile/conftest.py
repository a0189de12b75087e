"""A hostile server in a process of its own, and a fleet of its nodes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from msgspec import Struct

from fleetctl.cli.told import remember
from fleetctl.config import load
from tests.openssh import client_home, make_key, make_sshd, public_key, sshd

__all__ = ["client_home", "make_sshd", "sshd"]

ROOT = Path(__file__).parents[2]


class Ran(Struct, frozen=True):
    """A command of fleetctl that has ended."""

    code: int
    out: str
    err: str
    peak_bytes: int
    """The most memory that it had, by the kernel's count (getrusage(2))."""


class Hostile:
    """The server, and the controller's folder."""

    def __init__(self, folder: Path, port: int, home: Path) -> None:
        self.folder = folder
        self.port = port
        self.home = home

    def fleet(self, behaviours: Sequence[str], more: str = "") -> Path:
        """A nodes.yaml with a node for each behaviour, which is its name."""
        files = ", ".join(
            f"{name}: {self.folder / file}"
            for name, file in (("identity_file", "key"), ("known_hosts", "known_hosts"))
        )
        nodes = "".join(
            f"  {name}: {{ssh: {{host: 127.0.0.1, port: {self.port}, user: {name}, {files}}}}}\n"
            for name in behaviours
        )
        path = self.home / "nodes.yaml"
        path.write_text(f"fleet: hostile\ninternet: null\nnodes:\n{nodes}{more}")
        remember(path, load(path), home=self.home)
        return path

    def fleetctl(self, *arguments: str, timeout_s: float = 60) -> Ran:
        """Run a command on that fleet."""
        env = {**os.environ, "HOME": str(self.home), "PYTHONPATH": str(ROOT)}
        env.pop("SSH_AUTH_SOCK", None)
        out, err = self.home / "out", self.home / "err"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "fleetctl", "-f", str(self.home / "nodes.yaml"), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env=env,
                cwd=self.home,
            )
            killer = subprocess.Popen(["sh", "-c", f"sleep {timeout_s}; kill -9 {process.pid}"])
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            killer.kill()
            killer.wait()
        said, complained = (path.read_text(errors="replace") for path in (out, err))
        return Ran(process.returncode, said, complained, usage.ru_maxrss * 1024)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    folder = tmp_path_factory.mktemp("hostile")
    host_key = make_key(folder / "host_key")
    make_key(folder / "key")
    with subprocess.Popen(
        [sys.executable, "-m", "tests.hostile.server", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as server:
        assert server.stdout
        port = int(server.stdout.readline())
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {public_key(host_key)}\n")
        home = folder / "home"
        home.mkdir()
        yield Hostile(folder, port, home)
        server.kill()
