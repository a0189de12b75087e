"""Starting real instances in tmux."""

from __future__ import annotations

import subprocess
from getpass import getuser

import pytest

from fleetctl.errors import LaunchError
from tests.launch.conftest import Node, alive, eventually
from tests.launch.jobs import instance, listen
from tests.processes import killed_at_end


def test_starting_again_replaces_its_own_window_only(node: Node) -> None:
    failed = instance("failed", command="exit 3")
    others = [instance(f"other{number}", command="exec sleep 1000") for number in range(3)]
    node.start(failed)
    dead = "#{pane_dead} #{@fleetctl_instance}"
    eventually(
        lambda: node.tmux("list-panes", "-a", "-F", dead).strip() == f"1 {failed.name}",
        "the supervisor has left",
    )
    for other in others:
        node.start(other)
    pids = [int(node.await_phase(other, "running")["pid"]) for other in others]
    before = node.tmux("list-windows", "-a", "-F", "#{window_id} #{@fleetctl_instance}").split("\n")
    node.start(failed)
    node.await_phase(failed, "ended")
    after = node.tmux("list-windows", "-a", "-F", "#{window_id} #{@fleetctl_instance}").split("\n")
    assert [line for line in after if "other" in line] == [x for x in before if "other" in x]
    (old,), (new,) = ([x for x in lines if "failed" in x] for lines in (before, after))
    assert old != new
    assert all(alive(pid) for pid in pids)
    for one in (failed, *others):
        node.stop(one)


def test_a_running_instance_is_not_started_again(node: Node) -> None:
    one = instance(command="exec sleep 1000")
    node.start(one)
    pid = node.await_phase(one, "running")["pid"]
    node.start(one)
    assert node.await_phase(one, "running")["pid"] == pid
    assert len(node.tmux("list-windows", "-a").splitlines()) == 1
    assert not (node.folder(one) / "lock").exists()
    node.stop(one)


def test_a_refused_start_leaves_nothing_behind(node: Node) -> None:
    argv = ["python3", "-m", "http.server", "47124", "--bind", "127.0.0.1"]
    one = instance(command="exec sleep 1000", listen=listen(47124, "127.0.0.1"))
    with killed_at_end(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as stranger:
        listening = "ss -ltnH 'sport = :47124'"
        eventually(lambda: subprocess.getoutput(listening), "the stranger listens")
        with pytest.raises(LaunchError) as caught:
            node.start(one)
    assert f"(pid {stranger.pid}, user {getuser()})" in str(caught.value)
    assert caught.value.code == "port-in-use"
    nowhere = instance(workdir="~/not there")
    with pytest.raises(LaunchError, match="workdir ~/not there on pi4 does not exist"):
        node.start(nowhere)
    left = {path.name for path in node.folder(one).iterdir()}
    assert not left & {"spec", "spec.new", "lock"}
    assert node.tmux("list-windows", "-a") == ""


def test_what_a_start_adds_to_the_command_is_recorded_also_after_its_stop(node: Node) -> None:
    one = instance(command="exec sleep\n", words=("1000",), env={"words": "x"})
    node.start(one)
    node.await_phase(one, "running")
    assert node.status(one).arguments == "1000"
    assert node.status(one).changed is False
    node.stop(one)
    assert node.state(one)["words"] == '["1000"]'
