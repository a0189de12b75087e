"""A start beside processes of an earlier run begins no second copy."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal

import pytest

from fleetctl.errors import LaunchError
from fleetctl.launch.node_files import prepare_script
from fleetctl.link.local import LocalLink
from fleetctl.model.jobs import Restart
from tests.launch.conftest import FLEET, Node, alive, eventually
from tests.launch.jobs import instance
from tests.launch.test_members import members
from tests.launch.test_stop import pane_pid, read_pid, started
from tests.launch.test_stop_proof import socket_of

DEAF = "trap '' HUP; echo $$ >~/pid; while :; do sleep 0.1; done"


def tmux_server(node: Node) -> int:
    return int(node.tmux("display-message", "-p", "#{pid}"))


@pytest.mark.parametrize("gone", ["socket", "folder"])
def test_a_removed_socket_comes_back(node: Node, gone: str) -> None:
    """tmux/tmux#4057: the server lives on, and no client finds it."""
    one = started(node, "exec sleep 1000")
    pid, server, supervisor = int(node.state(one)["pid"]), tmux_server(node), pane_pid(node)
    socket = socket_of(node)
    socket.unlink() if gone == "socket" else shutil.rmtree(socket.parent)
    status = node.status(one)
    assert (status.state, status.tmux) == ("running", None)
    assert "cannot be attached to" in (status.reason or "")
    node.start(one)
    assert (tmux_server(node), pane_pid(node)) == (server, supervisor)
    assert members(node, one) == {pid}
    eventually(lambda: node.status(one).state == "ready", "all is as before")
    node.stop(one)
    assert not alive(pid)


def test_another_start_brings_it_back_too(node: Node) -> None:
    """Else there were two tmux servers, of which only the later one could be reached."""
    one = started(node, "exec sleep 1000")
    server = tmux_server(node)
    socket_of(node).unlink()
    other = started(node, "exec sleep 1000", service="other")
    assert tmux_server(node) == server
    assert node.status(one).state in ("running", "ready")
    assert node.status(one).tmux
    for each in (one, other):
        node.stop(each)


def test_a_stop_without_the_socket_leaves_no_tmux(node: Node) -> None:
    one = started(node, "exec sleep 1000", restart=Restart("always", delay_s=0))
    pid, supervisor = int(node.state(one)["pid"]), pane_pid(node)
    socket_of(node).unlink()
    assert len(node.stop(one)["windows"]) == 1
    assert not alive(pid)
    assert not alive(supervisor)


@pytest.mark.parametrize("policy", ["never", "always"])
def test_tmux_killed_under_a_job(node: Node, policy: str) -> None:
    one = started(node, DEAF, restart=Restart(policy, delay_s=0))  # type: ignore[arg-type]  # a table
    pid = read_pid(node.home / "pid")
    os.kill(tmux_server(node), signal.SIGKILL)
    eventually(lambda: "still run" in (node.status(one).reason or ""), "it is told")
    with pytest.raises(LaunchError, match="of an earlier run of it") as refused:
        node.start(one)
    assert refused.value.hint == "End them: fleetctl stop worker@pi4"
    assert str(pid) in str(refused.value)
    assert members(node, one) >= {pid}
    assert not (node.folder(one) / "lock").exists()
    node.stop(one)
    assert not alive(pid)
    node.start(one)
    node.await_phase(one, "running")
    node.stop(one)


def test_what_an_ended_command_left(node: Node) -> None:
    one = instance(command="setsid sleep 1000 & echo $! >~/pid; exit 3")
    node.start(one)
    node.await_phase(one, "ended")
    left = read_pid(node.home / "pid")
    dead = ("list-panes", "-a", "-F", "#{pane_dead}")
    eventually(lambda: node.tmux(*dead) == "1\n", "its window is dead")
    with pytest.raises(LaunchError, match=f"{left}, still runs"):
        node.start(one)
    node.stop(one)
    assert not alive(left)


def test_a_process_list_that_cannot_be_read(node: Node) -> None:
    one = started(node, DEAF)
    pid = read_pid(node.home / "pid")
    os.kill(tmux_server(node), signal.SIGKILL)
    awk = node.home / "bin/awk"
    awk.symlink_to("/bin/false")
    with pytest.raises(LaunchError, match="cannot be told: the process list cannot be read"):
        node.start(one)
    awk.unlink()
    assert alive(pid)
    node.stop(one)


def test_a_tmux_that_is_not_ours_gets_no_signal(node: Node) -> None:
    """A record names a process of another one: the start does not touch its parent."""
    one = started(node, "exec sleep 1000")
    server, state = tmux_server(node), node.folder(one) / "state"
    record = state.read_text()
    socket_of(node).unlink()
    state.write_text(record.replace("boot=", "boot=x"))
    script = prepare_script(FLEET, instance("other"), 0)
    asyncio.run(LocalLink("pi4").run(script, timeout_s=20))
    assert not list((node.home / "tmux").glob("tmux-*/fleetctl"))
    state.write_text(record)
    node.stop(one)
    assert alive(server)  # it answers again, so the test can end it
    assert tmux_server(node) == server
