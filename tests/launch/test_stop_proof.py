"""`stop` says "done" only of what it has seen to be gone; else it says what it could not do."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from fleetctl.errors import LaunchError
from fleetctl.launch.node_files import stop_script
from fleetctl.link.local import LocalLink
from fleetctl.model.jobs import Instance, Restart, Stop
from tests.launch.conftest import FLEET, Node, alive, eventually
from tests.launch.jobs import instance
from tests.launch.test_stop import pane_pid, read_pid, started
from tests.processes import killed_at_end

LONG = "exec sleep 1000"


def refused(node: Node, one: Instance) -> tuple[str, str]:
    """What the stop script prints where it cannot say that all is done."""
    script = stop_script(FLEET, one)
    done = asyncio.run(LocalLink(one.node).run(script, timeout_s=40))
    words = [line.split()[0] for line in done.text.splitlines()]
    assert done.exit_status != 0
    assert "done" not in words
    return done.text, done.error_text


def without(node: Node, *programs: str) -> None:
    """Take programs away: what stands in their place fails without a word."""
    for program in programs:
        file = node.home / "bin" / program
        file.write_text("#!/bin/sh\nexit 1\n")
        file.chmod(0o755)


@pytest.mark.parametrize("gone", [("ps",), ("tmux",), ("ps", "tmux")])
def test_without_ps_or_tmux_it_ends_all_the_same(node: Node, gone: tuple[str, ...]) -> None:
    one = started(node, LONG, restart=Restart("always", delay_s=0))
    pid, supervisor = int(node.state(one)["pid"]), pane_pid(node)
    without(node, *gone)
    assert node.stop(one)["done"] == ["143"]
    assert not alive(pid)
    assert not alive(supervisor)


@pytest.mark.parametrize(
    "says",
    ["exit 1", "exit 0", "echo '1 (init) S 0 1 1 0'", "echo 'cat: out of memory' >&2; exit 2"],
)
def test_a_process_list_that_cannot_be_read(node: Node, says: str) -> None:
    one = started(node, LONG)
    pid = int(node.state(one)["pid"])
    cat = node.home / "bin/cat"
    cat.write_text(f"#!/bin/sh\n{says}\n")
    cat.chmod(0o755)
    status = node.status(one)
    assert (status.state, status.listening) == ("unknown", None)
    assert "the process list cannot be read" in (status.reason or "")
    said, why = refused(node, one)
    assert f"unread {pid}" in said
    assert "the process list cannot be read" in why
    assert alive(pid)
    cat.unlink()
    assert node.stop(one)["done"] == ["143"]
    assert not alive(pid)


@pytest.mark.parametrize("damage", [b"", b"\0" * 60, b"run=\nphase=\npid=\n", b"phase=run"])
@pytest.mark.parametrize("socket", ["with its socket", "without its socket"])
def test_a_damaged_record(node: Node, damage: bytes, socket: str) -> None:
    one = started(node, LONG, restart=Restart("always", delay_s=0))
    pid, supervisor = int(node.state(one)["pid"]), pane_pid(node)
    (node.folder(one) / "state").write_bytes(damage)
    if socket.startswith("without"):
        socket_of(node).unlink()
    status = node.status(one)
    assert status.state == "unknown"
    assert "damaged" in (status.reason or "")
    node.stop(one)
    assert not alive(pid)
    eventually(lambda: not alive(supervisor), "its supervisor has ended")
    assert node.status(one).state == "stopped"


def socket_of(node: Node) -> Path:
    (found,) = (node.home / "tmux").glob("tmux-*/fleetctl")
    return found


@pytest.mark.parametrize("gone", ["record", "folder"])
def test_a_supervisor_of_which_nothing_tells(node: Node, gone: str) -> None:
    """It sleeps when its command is ended: what is left of it would begin again when it wakes."""
    one = started(node, LONG, restart=Restart("always", delay_s=0))
    pid, supervisor = int(node.state(one)["pid"]), pane_pid(node)
    remove(node, one, gone)
    if gone == "record":
        status = node.status(one)
        assert status.state == "unknown"
        assert "its record on the node was removed" in (status.reason or "")
    os.kill(supervisor, signal.SIGSTOP)
    node.stop(one)
    assert not alive(pid)
    assert not alive(supervisor)
    assert node.status(one).state == "stopped"


@pytest.mark.parametrize("gone", ["record", "folder"])
def test_nothing_begins_beside_a_supervisor_that_pauses(node: Node, gone: str) -> None:
    one = instance(command="exit 3", restart=Restart("always", delay_s=600, max_delay_s=600))
    node.start(one)
    node.await_phase(one, "backoff")
    supervisor = pane_pid(node)
    remove(node, one, gone)
    with pytest.raises(LaunchError, match=f"process.* {supervisor}"):
        node.start(one)
    node.stop(one)
    assert not alive(supervisor)


def remove(node: Node, one: Instance, gone: str) -> None:
    """What tells of its supervisor: its record or its folder, and the socket of its tmux."""
    if gone == "folder":
        shutil.rmtree(node.folder(one))
    else:
        (node.folder(one) / "state").unlink()
    socket_of(node).unlink()


def test_what_an_earlier_run_left(node: Node) -> None:
    """The record is of a later run; what the earlier one began has its mark."""
    one = started(node, "env -u FLEETCTL_NODE setsid sleep 1000 & echo $! >~/pid; " + LONG)
    left = read_pid(node.home / "pid")
    state = node.folder(one) / "state"
    state.write_text(state.read_text().replace(node.state(one)["run"], "0123456789abcdef"))
    node.stop(one)
    assert not alive(left)


def test_a_supervisor_that_was_halted_does_not_begin_again(node: Node) -> None:
    one = started(node, LONG, restart=Restart("always", delay_s=0))
    supervisor = pane_pid(node)
    os.kill(supervisor, signal.SIGSTOP)
    node.stop(one)
    assert not alive(supervisor)


def test_the_grace_period_is_real_seconds(node: Node) -> None:
    """What needs most of it to save a checkpoint has it, on a busy machine, too."""
    command = "trap 'sleep 2; echo saved; exit 0' TERM; touch set; while :; do sleep 0.05; done"
    one = started(node, command, stop=Stop(grace_s=3))
    eventually((node.home / "set").exists, "the trap is set")
    said = node.stop(one)
    assert "killed" not in said
    eventually(lambda: "saved" in node.log(one), "it saved")


def test_the_grace_period_ends(node: Node) -> None:
    command = "trap '' TERM; touch set; while :; do sleep 0.05; done"
    one = started(node, command, stop=Stop(grace_s=2))
    eventually((node.home / "set").exists, "the trap is set")
    began = time.monotonic()
    assert node.stop(one)["killed"]
    assert time.monotonic() - began >= 2


@pytest.mark.skipif(os.getuid() != 0, reason="makes processes of an account without any left")
def test_no_more_processes_to_fork() -> None:
    """The stop names what the record names, and works once there is room."""
    account = 54_321
    home = Path(tempfile.mkdtemp(dir="/tmp"))  # the account may enter no folder of pytest's
    folder = home / ".local/state/fleetctl" / FLEET / "job/worker@pi4"
    folder.mkdir(parents=True)
    env = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    marks = {"FLEETCTL_RUN": "ab", "FLEETCTL_STATE": str(folder)}
    # in a group of its own, which a stop may end as a whole
    with killed_at_end(
        ["sleep", "60"], user=account, env=env | marks, start_new_session=True
    ) as runs:
        (folder / "state").write_text(f"run=ab\nphase=running\npid={runs.pid}\n")
        for path in (home, *home.rglob("*")):
            os.chown(path, account, account)
        script = stop_script(FLEET, instance())

        def stop(limit: str) -> subprocess.CompletedProcess[str]:
            argv = ["bash", "-c", f"{limit} exec dash -s"]
            return subprocess.run(
                argv,
                input=script,
                user=account,
                env=env,
                capture_output=True,
                text=True,
                timeout=60,
            )

        none = stop("ulimit -u 1;")
        assert none.stdout == f"unread {runs.pid}\n"
        assert "Cannot fork" in none.stderr
        assert none.returncode != 0
        assert runs.poll() is None
        assert "done" in stop("").stdout
        assert runs.wait(10) == -signal.SIGTERM
    shutil.rmtree(home)
