"""Fixtures of the repairs' tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetctl.link.local import LocalLink
from tests.openssh import make_sshd

__all__ = ["make_sshd"]


class Machine:
    """A network namespace, with a home folder and a `sudo` for it.

    `sudo` really runs commands, as root and in the namespace, but only with `-n`, which never asks.
    """

    def __init__(self, folder: Path, pid: int) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        self.bin = folder / "bin"
        self.bin.mkdir()
        self._pid = pid
        self.stub(
            "sudo",
            '[ "$1" = -n ] || { echo "sudo: a terminal is required" >&2; exit 1; }\n'
            '[ "$2" != -l ] || exit 0\n'
            f'shift; exec nsenter --net=/proc/{pid}/ns/net "$@"\n',
        )

    def stub(self, name: str, text: str) -> None:
        """Put an sh script of this name first in PATH."""
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{text}")
        path.chmod(0o755)

    def run(self, *argv: str) -> str:
        """The output of a command in the namespace."""
        enter = ["nsenter", f"--net=/proc/{self._pid}/ns/net", *argv]
        return subprocess.run(enter, check=True, capture_output=True, text=True).stdout

    def link(self) -> LocalLink:
        return LocalLink("pi5")

    def records(self) -> list[Path]:
        return sorted(self.home.glob(".local/state/fleetctl/*/.fixes/*"))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """The shipped pi5 without its route: eth0 has 192.168.50.2, wlan0 has 192.168.1.25."""
    argv = ["unshare", "--net", "sh", "-c", "echo ready; exec sleep 600"]
    keeper = subprocess.Popen(argv, stdout=subprocess.PIPE)
    try:
        assert keeper.stdout is not None
        assert keeper.stdout.readline() == b"ready\n"
        machine = Machine(tmp_path, keeper.pid)
        for name, address in (("eth0", "192.168.50.2/24"), ("wlan0", "192.168.1.25/24")):
            far = f"{name}-far"
            machine.run("ip", "link", "add", name, "type", "veth", "peer", "name", far)
            machine.run("ip", "link", "set", far, "up")
            machine.run("ip", "addr", "add", address, "dev", name)
            machine.run("ip", "link", "set", name, "up")
        monkeypatch.setenv("HOME", str(machine.home))
        monkeypatch.setenv("PATH", f"{machine.bin}:{os.environ['PATH']}:/usr/sbin:/sbin")
        yield machine
    finally:
        keeper.kill()
        keeper.wait(10)
        if keeper.stdout is not None:
            keeper.stdout.close()
