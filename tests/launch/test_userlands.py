"""Nodes whose `sh` and tools are others than those of Debian and macOS."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fleetctl.link import local
from fleetctl.link.shell import local_argv
from fleetctl.model.jobs import Restart, Stop
from fleetctl.model.ready import Ready
from tests.launch.conftest import Node, alive, eventually, installed, node_in
from tests.launch.jobs import instance, listen
from tests.launch.test_delivering import CATCHES, READS, caught, signalled, typed
from tests.launch.test_members import members, port
from tests.launch.test_stop import pane_pid, read_pid
from tests.launch.test_stop_proof import socket_of

__all__ = ["port"]

OTHERS = ("zsh", "mksh", "yash")

SHELLS = ("busybox", *(pytest.param(shell, marks=pytest.mark.long) for shell in OTHERS))


@pytest.fixture(params=SHELLS)
def foreign(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Node]:
    """This machine with another `sh`, for fleetctl's own scripts, too; of BusyBox also every other
    tool, without bash and ss, as on Alpine."""
    shell = installed(request.param)
    with node_in(tmp_path, shell, monkeypatch) as node:
        if request.param == "busybox":
            said = subprocess.run([shell, "--list"], capture_output=True, text=True, check=True)
            for applet in set(said.stdout.split()) - {"sh", "ip", "ping"}:
                (node.home / "bin" / applet).symlink_to(shell)
            (node.home / "bin/tmux").symlink_to(installed("tmux"))
            monkeypatch.setenv("PATH", str(node.home / "bin"))  # no bash, no ss
        sh = str(node.home / "bin/sh")
        monkeypatch.setattr(local, "local_argv", lambda script: (sh, *local_argv(script)[1:]))
        yield node


def test_it_starts_restarts_and_stops(foreign: Node) -> None:
    node = foreign
    one = instance(
        command="echo up; trap 'echo bye; exit 9' TERM; while :; do sleep 0.05; done",
        restart=Restart("always", delay_s=0.05),
        ready=Ready("alive"),
    )
    node.start(one)
    node.await_phase(one, "running")
    eventually(lambda: node.status(one).state == "ready", "it is ready")
    first = int(node.state(one)["pid"])
    assert members(node, one) >= {first}
    eventually(lambda: "up\n" in node.log(one), "its output is in the log")
    os.kill(first, signal.SIGKILL)
    eventually(lambda: node.state(one).get("restarts") == "1", "it is restarted")
    second = int(node.await_phase(one, "running")["pid"])
    eventually(lambda: node.log(one).count("up\n") == 2, "it runs again")
    supervisor = pane_pid(node)
    assert node.stop(one)["done"] == ["9"]
    assert not alive(second)
    assert not alive(supervisor)
    assert node.status(one).state == "stopped"


def test_a_server_and_a_daemon(foreign: Node, port: int) -> None:
    """What only its mark tells is found, and its socket is its own."""
    node = foreign
    one = instance(
        command=(
            "setsid sleep 1000 & echo $! >~/pid; "
            f"exec {sys.executable} -m http.server {port} --bind 127.0.0.1"
        ),
        listen=listen(port, "127.0.0.1"),
        ready=Ready("listening"),
        stop=Stop(grace_s=2),
    )
    node.start(one)
    eventually(lambda: node.status(one).state == "ready", "it listens", 20)
    assert node.status(one).listening == (f"127.0.0.1:{port}",)
    daemon = read_pid(node.home / "pid")
    assert daemon in members(node, one)
    socket_of(node).unlink()
    assert "done" in node.stop(one)
    assert not alive(daemon)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


@pytest.mark.long
def test_a_signal_reaches_the_program(foreign: Node) -> None:
    (foreign.home / "catches.py").write_text(CATCHES)
    one = instance(command=f"true && {sys.executable} catches.py; true")
    foreign.start(one)
    eventually(lambda: "set\n" in foreign.log(one), "it waits for a signal")
    found = signalled(one)
    assert found.ok, found.reason
    eventually(lambda: caught(foreign, one), "it is caught")
    assert [process.pid for process in found.processes] == caught(foreign, one)


def test_what_is_typed_reaches_the_program(foreign: Node) -> None:
    node = foreign
    with suppress(FileExistsError):
        (node.home / "bin/python3").symlink_to(sys.executable)
    one = instance(command=READS, restart=Restart("always", delay_s=0.05))
    node.start(one)

    def is_read(attempt: int) -> None:
        eventually(lambda: node.log(one).count("set\n") > attempt, "it reads")
        found = typed(one, f"line {attempt}\n".encode())
        assert found.ok, found.reason
        eventually(lambda: f"got <line {attempt}>" in node.log(one), "it is read")

    is_read(0)
    os.kill(int(node.state(one)["pid"]), signal.SIGKILL)
    is_read(1)
    node.stop(one)


def test_without_python_what_is_typed_is_read_or_it_is_said_that_it_is_not(foreign: Node) -> None:
    node = foreign
    none = node.home / "bin/python3"
    none.write_text("#!/bin/sh\nexit 127\n")
    none.chmod(0o755)
    one = instance(command=READS)
    node.start(one)
    eventually(lambda: "set\n" in node.log(one), "it runs")
    found = typed(one, b"lost\n")
    if found.ok:
        eventually(lambda: "got <lost>" in node.log(one), "it is read")
    else:
        assert (found.reason or "").startswith("none of its programs reads what is typed")
    node.stop(one)


def test_keys_that_would_halt_it(foreign: Node) -> None:
    prints(foreign)


def test_keys_that_would_halt_it_in_dash_and_bash(node: Node) -> None:
    prints(node)


def prints(node: Node) -> None:
    """Ctrl-S and Ctrl-Z, typed in its window, do not halt what it prints."""
    one = instance(command="n=0; while :; do n=$((n + 1)); echo line $n; sleep 0.05; done")
    node.start(one)
    eventually(lambda: "line 3" in node.log(one), "it prints")
    for key in ("C-s", "C-z"):
        node.tmux("send-keys", "-t", "fleet:worker", key)
        seen = node.log(one).count("line")
        eventually(lambda seen=seen: node.log(one).count("line") > seen + 10, f"after {key}")  # type: ignore[misc]  # bound
    node.stop(one)
