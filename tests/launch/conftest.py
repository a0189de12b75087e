"""This machine as a node, with its own home folder and tmux server, and real instances."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import which

import pytest

from fleetctl.health.services import service_status
from fleetctl.launch.birth import Birth
from fleetctl.launch.node_files import forget_script, stop_script
from fleetctl.launch.secrets import Secrets
from fleetctl.link.local import LocalLink
from fleetctl.model.jobs import Instance
from fleetctl.model.status import ServiceStatus
from fleetctl.probes.node import read_node, services_script
from tests.waiting import eventually as eventually

FLEET = "fleet"


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(") ")[2][0] != "Z"


class Node:
    """Starts and stops instances here, with the scripts that run on nodes."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def folder(self, instance: Instance) -> Path:
        return self.home / ".local/state/fleetctl" / FLEET / instance.job / instance.name

    def start(self, instance: Instance) -> None:
        """Start it as ``fleetctl start`` does, without waiting."""

        async def birth() -> None:
            started = Birth(FLEET, LocalLink(instance.node), Secrets([instance]))
            try:
                assert await started.start(instance)
            finally:
                started.close()

        asyncio.run(birth())

    def stop(self, instance: Instance) -> dict[str, list[str]]:
        """Run the stop script; its output lines, by their first word."""
        script = stop_script(FLEET, instance)
        done = asyncio.run(LocalLink(instance.node).run(script, timeout_s=30))
        assert done.exit_status == 0
        assert done.error_text == ""
        return {line.split()[0]: line.split()[1:] for line in done.text.splitlines()}

    def forget(self, instance: Instance) -> None:
        """Run the script that forgets how it ended."""
        script = forget_script(FLEET, instance)
        done = asyncio.run(LocalLink(instance.node).run(script, timeout_s=30))
        assert (done.exit_status, done.error_text) == (0, "")

    def status(self, instance: Instance) -> ServiceStatus:
        script = services_script(FLEET, instance.node)
        done = asyncio.run(LocalLink(instance.node).run(script.text, timeout_s=20))
        return service_status(FLEET, instance, read_node(script, done.text))

    def state(self, instance: Instance) -> dict[str, str]:
        """The supervisor's record; empty: not written yet."""
        file = self.folder(instance) / "state"
        lines = file.read_text().splitlines() if file.exists() else []
        return dict(line.split("=", 1) for line in lines)

    def await_phase(self, instance: Instance, phase: str) -> dict[str, str]:
        eventually(lambda: self.state(instance).get("phase") == phase, f"phase {phase}")
        return self.state(instance)

    def log(self, instance: Instance) -> str:
        files = (self.folder(instance) / "log").glob("*.log")
        return "".join(file.read_text() for file in sorted(files)).replace("\r", "")

    def date_moves(self, by_s: int) -> None:
        """Let `date` tell a time that is so much later each time that it is asked."""
        file = self.home / "bin/date"
        asked = f'echo >>"{self.home}/asked"; asked=$(grep -c "" "{self.home}/asked")'
        file.write_text(f"#!/bin/sh\n{asked}\necho $((1800000000 + {by_s} * asked))\n")
        file.chmod(0o755)

    def tmux(self, *arguments: str) -> str:
        argv = ["tmux", "-L", "fleetctl", *arguments]
        return subprocess.run(argv, capture_output=True, text=True, timeout=10).stdout


def installed(program: str) -> str:
    """The path of a program that a test needs; scripts/setup.sh installs it on Debian."""
    path = which(program)
    if path is None and sys.platform == "darwin":
        pytest.skip(f"{program} is not installed")
    assert path, f"{program} is not installed"
    return path


BOTH_SHELLS = pytest.mark.parametrize("node", ["dash", "bash"], indirect=True)


@pytest.fixture(params=["dash", pytest.param("bash", marks=pytest.mark.long)])
def node(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Node]:
    """This machine, with dash (Debian) or bash in POSIX mode (macOS) as ``sh``; files whose quick
    tests run with both say so by :data:`BOTH_SHELLS`."""
    with node_in(tmp_path, installed(request.param), monkeypatch) as found:
        yield found


@contextmanager
def node_in(home: Path, shell: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    """This machine as a node with its home in ``home``, and ``shell`` as ``sh``."""
    for name in ("bin", "tmux"):
        (home / name).mkdir()
    (home / "bin/sh").symlink_to(shell)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("TMUX_TMPDIR", str(home / "tmux"))
    monkeypatch.setenv("PATH", f"{home}/bin:{os.environ['PATH']}")
    found = Node(home)
    try:
        yield found
    finally:
        for server in tmux_servers(home):  # also where it has no socket, or the node no tmux
            os.kill(server, signal.SIGTERM)
        for process in at_home(home):  # supervisors outlive their tmux, and commands with them
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def at_home(home: Path) -> Iterator[int]:
    """The processes that were started with ``home`` as their home folder."""
    for file in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if f"HOME={home}".encode() in file.read_bytes().split(b"\0"):
                yield int(file.parent.name)


def tmux_servers(home: Path) -> Iterator[int]:
    """The tmux servers that were started with the settings of an instance in ``home``."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = file.read_bytes().split(b"\0")
            if words[0] == b"tmux" and any(w.startswith(f"-f{home}/".encode()) for w in words):
                yield int(file.parent.name)
