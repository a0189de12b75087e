"""The real stop script ends all that an instance forked, and nothing else."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleetctl.model.jobs import Instance, Restart, Stop
from tests.launch.conftest import BOTH_SHELLS, Node, alive, eventually
from tests.launch.jobs import instance

pytestmark = BOTH_SHELLS

DAEMON = """\
import os, sys, time
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
open(sys.argv[1], "w").write(str(os.getpid()))
time.sleep(1000)
"""


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that looks like the instance's, and is not."""
    process = subprocess.Popen(
        ["sleep", "777"], env={"FLEETCTL_RUN": "feedfeedfeedfeed", "FLEETCTL_JOB": "job"}
    )
    yield process
    process.kill()
    process.wait()


def read_pid(file: Path) -> int:
    said: list[str] = []

    def written() -> str:  # read once: what writes it may do so again
        said[:] = [file.read_text().strip() if file.exists() else ""]
        return said[0]

    eventually(written, f"{file.name} is written")
    return int(said[0])


def started(node: Node, command: str, **more: Any) -> Instance:
    one = instance(command=command, **{"stop": Stop(grace_s=1), **more})
    node.start(one)
    node.await_phase(one, "running")
    return one


def pane_pid(node: Node) -> int:
    return int(node.tmux("list-panes", "-a", "-F", "#{pane_pid}").split()[0])


def test_the_signal_is_honoured(node: Node, stranger: subprocess.Popen[bytes]) -> None:
    one = started(
        node,
        "trap 'echo bye; exit 9' USR1; touch set; while :; do sleep 0.05; done",
        stop=Stop("USR1", 5),
    )
    eventually((node.home / "set").exists, "the trap is set")
    pane = pane_pid(node)
    said = node.stop(one)
    assert "killed" not in said
    assert said["done"] == ["9"]
    assert int(said["signalled"][0]) >= 1
    eventually(lambda: "bye" in node.log(one), "its last word is in the log")
    assert not alive(pane)
    assert node.state(one)["phase"] == "stopped"
    assert node.status(one).state == "stopped"
    assert stranger.poll() is None
    left = {path.name for path in node.folder(one).iterdir()}
    assert left == {"state", "past", "log", "tmux.conf"}


def test_how_it_ended_is_forgotten_only_once_nothing_of_it_runs(node: Node) -> None:
    never = instance("never")
    node.forget(never)
    assert not node.folder(never).exists()
    one = started(node, "sleep 1000 & echo $! >left; exec sleep 1000")
    node.forget(one)
    assert node.state(one)["phase"] == "running"
    os.kill(int(node.state(one)["pid"]), signal.SIGKILL)
    node.await_phase(one, "ended")
    node.forget(one)
    assert node.status(one).state == "failed"
    os.kill(read_pid(node.home / "left"), signal.SIGKILL)
    eventually(lambda: "still runs" not in (node.status(one).reason or ""), "nothing is left")
    node.forget(one)
    # its window lives a little longer than it
    eventually(lambda: node.status(one).state == "stopped", "it is forgotten")
    assert not (node.folder(one) / "lock").exists()


def test_a_process_that_ignores_it_is_killed_after_the_grace_period(node: Node) -> None:
    one = started(
        node, "trap '' TERM INT; touch set; while :; do sleep 0.05; done", stop=Stop(grace_s=0.4)
    )
    eventually((node.home / "set").exists, "the trap is set")
    pid = int(node.state(one)["pid"])
    said = node.stop(one)
    assert int(said["killed"][0]) >= 1
    assert said["done"] == ["137"]
    assert not alive(pid)


def test_a_stopped_process_gets_its_signal(node: Node) -> None:
    one = started(node, "exec sleep 1000", stop=Stop(grace_s=5))
    os.kill(int(node.state(one)["pid"]), signal.SIGSTOP)
    said = node.stop(one)
    assert "killed" not in said
    assert said["done"] == ["143"]


def test_a_daemon_is_found_by_the_run_id_in_its_environment(
    node: Node, stranger: subprocess.Popen[bytes]
) -> None:
    (node.home / "daemon.py").write_text(DAEMON)
    one = started(node, "python3 ~/daemon.py ~/daemon.pid; exec sleep 1000")
    daemon = read_pid(node.home / "daemon.pid")
    assert os.getpgid(daemon) != os.getpgid(int(node.state(one)["pid"]))
    node.stop(one)
    assert not alive(daemon)
    assert stranger.poll() is None


def test_a_daemon_of_an_instance_that_ended_is_found_too(node: Node) -> None:
    (node.home / "daemon.py").write_text(DAEMON)
    one = instance(command="python3 ~/daemon.py ~/daemon.pid; exit 3")
    node.start(one)
    node.await_phase(one, "ended")
    daemon = read_pid(node.home / "daemon.pid")
    node.tmux("kill-server")
    assert alive(daemon)
    # while the tmux server exits, nothing is known
    eventually(lambda: "still run" in (node.status(one).reason or ""), "it is told")
    assert node.stop(one)["done"] == ["3"]
    assert not alive(daemon)
    assert node.status(one).state == "stopped"


def test_a_child_without_its_environment_is_found_by_its_group(node: Node) -> None:
    """Also if it is the last one in the group, because only it ignores the signal."""
    deaf = "trap '' TERM; echo $$ >$0; while :; do sleep 0.05; done"
    one = started(
        node,
        f'(env -i /bin/sh -c "{deaf.replace("$", chr(92) + "$")}" ~/bare.pid &); exec sleep 1000',
    )
    bare = read_pid(node.home / "bare.pid")
    assert b"FLEETCTL_RUN" not in Path(f"/proc/{bare}/environ").read_bytes()
    assert int(node.stop(one)["killed"][0]) >= 1
    assert not alive(bare)


def test_a_listener_is_gone(node: Node) -> None:
    one = started(node, "python3 -m http.server 47123 --bind 127.0.0.1 & wait")
    listening = "ss -ltnH 'sport = :47123'"
    eventually(lambda: subprocess.getoutput(listening), "it listens")
    node.stop(one)
    assert subprocess.getoutput(listening) == ""


def test_a_restart_policy_does_not_bring_it_back(node: Node) -> None:
    one = started(node, "exec sleep 1000", restart=Restart("always", delay_s=0))
    pane = pane_pid(node)
    node.stop(one)
    assert not alive(pane)
    assert node.state(one)["restarts"] == "0"


def test_never_started(node: Node) -> None:
    one = instance()
    assert node.stop(one) == {"done": []}
    assert not node.folder(one).exists()


def test_a_folder_that_was_removed(node: Node) -> None:
    one = started(node, "exec sleep 1000")
    pid = int(node.state(one)["pid"])
    shutil.rmtree(node.folder(one))
    assert len(node.stop(one)["windows"]) == 1
    assert not alive(pid)


def test_twice(node: Node) -> None:
    one = started(node, "exec sleep 1000")
    assert node.stop(one)["done"] == ["143"]
    again = node.stop(one)
    assert "signalled" not in again
    assert again["done"] == ["143"]


def test_another_instance_is_not_touched(node: Node) -> None:
    one = started(node, "exec sleep 1000")
    other = started(node, "exec sleep 1000", service="other")
    windows = node.stop(one)["windows"]
    assert len(windows) == 1
    assert alive(int(node.state(other)["pid"]))
    assert node.status(other).state in ("running", "ready")
    node.stop(other)


def test_a_lock_of_a_start_under_way_is_waited_for(node: Node) -> None:
    one = started(node, "exec sleep 1000")
    lock = node.folder(one) / "lock"
    lock.mkdir()
    opener = subprocess.Popen(["sh", "-c", f"sleep 0.7; rmdir '{lock}'"])
    assert node.stop(one)["done"] == ["143"]
    assert opener.wait() == 0  # so the lock was still there
    assert not lock.exists()
