"""What starts an instance again after its node was off."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import suppress
from ipaddress import IPv4Address
from typing import Any

import pytest

from fleetctl.launch import node_files
from fleetctl.model.jobs import AtBoot, BootWay, Instance
from tests.launch.conftest import FLEET, Node, alive, at_home, eventually, tmux_servers
from tests.launch.jobs import instance

HERE = AtBoot({"fabric": IPv4Address("127.0.0.1")})
NOWHERE = AtBoot({"fabric": IPv4Address("192.0.2.77")})
STEPS = 'echo "it is $SECRET"; exec sleep 1000'


def booted(command: str = STEPS, needs: AtBoot = HERE, **more: Any) -> Instance:
    return instance(command=command, at_boot=needs, **more)


def end_all(node: Node, by: signal.Signals) -> None:
    for pid in {*tmux_servers(node.home), *at_home(node.home)}:
        with suppress(ProcessLookupError):
            os.kill(pid, by)
    eventually(lambda: not [*at_home(node.home)], "nothing runs")


def power_cut(node: Node, one: Instance) -> None:
    """What a node without power leaves: its disk."""
    end_all(node, signal.SIGKILL)
    state = node.folder(one) / "state"
    state.write_text(state.read_text().replace("boot=", "boot=before-"))


def boot(node: Node, one: Instance) -> subprocess.Popen[bytes]:
    """Run what the unit runs, with an environment as bare as there."""
    folder = node.folder(one)
    return subprocess.Popen(
        ["sh", str(folder / "boot/program"), str(folder)],
        env={"HOME": str(node.home), "PATH": f"{node.home}/bin:/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
    )


def ended(process: subprocess.Popen[bytes]) -> int:
    return process.wait(60)


def test_it_runs_again_after_a_power_cut(node: Node) -> None:
    one = booted(env={"SECRET": "a 'b' $c"})
    node.start(one)
    before = node.await_phase(one, "running")
    folder = node.folder(one) / "boot"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    eventually(lambda: "it is" in node.log(one), "it has spoken")
    power_cut(node, one)
    assert node.status(one).state == "failed"
    assert ended(boot(node, one)) == 0
    eventually(lambda: node.state(one)["run"] != before["run"], "its record is a new one")
    after = node.await_phase(one, "running")
    status = node.status(one)
    assert status.state in ("running", "ready")
    assert (status.tmux, status.changed) == ("fleet:worker", False)
    eventually(lambda: node.log(one).count("it is a 'b' $c\n") == 2, "the log has both runs")
    assert after["restarts"] == "0"
    assert not (node.folder(one) / "lock").exists()
    assert not (node.folder(one) / "booted").exists()
    assert ended(boot(node, one)) == 0  # it runs, so nothing is begun
    assert node.state(one)["pid"] == after["pid"]
    node.stop(one)
    assert not alive(int(after["pid"]))
    assert not (node.folder(one) / "boot").exists()


def test_what_is_left_to_the_user_keeps_nothing(node: Node) -> None:
    one = booted()
    node.start(one)
    node.await_phase(one, "running")
    node.stop(one)
    left = instance(command=STEPS)
    node.start(left)
    node.await_phase(left, "running")
    assert not (node.folder(left) / "boot").exists()
    node.stop(left)


@pytest.mark.parametrize(
    ("command", "kept"), [("exit 0", False), ("exit 3", False), ("kill -TERM $$", True)]
)
def test_what_ended_by_itself_is_wanted_no_more(node: Node, command: str, kept: bool) -> None:
    """A shutdown ends it by a signal."""
    one = booted(command)
    node.start(one)
    node.await_phase(one, "ended")
    dead = ("list-panes", "-a", "-F", "#{pane_dead}")
    eventually(lambda: node.tmux(*dead) == "1\n", "its window is dead")
    assert (node.folder(one) / "boot").exists() is kept
    node.stop(one)


def test_a_shutdown_does_not_take_the_wish_back(node: Node) -> None:
    one = booted()
    node.start(one)
    node.await_phase(one, "running")
    end_all(node, signal.SIGTERM)
    assert (node.folder(one) / "boot/spec").exists()
    assert ended(boot(node, one)) == 0
    eventually(lambda: node.status(one).state in ("running", "ready"), "it runs again")
    node.stop(one)


def test_it_waits_for_the_nodes_own_network(node: Node) -> None:
    one = booted(needs=NOWHERE)
    node.start(one)
    node.await_phase(one, "running")
    power_cut(node, one)
    waiting = boot(node, one)
    eventually(lambda: node.status(one).state == "waiting", "status tells")
    assert node.status(one).reason == (
        "its node started again, and starts it once that is well: "
        "its address 192.0.2.77 on fabric is not there"
    )
    waiting.kill()
    ended(waiting)
    status = node.status(one)
    assert status.state == "failed"
    assert "what was to start it has ended" in (status.reason or "")
    again = boot(node, one)
    eventually(lambda: node.status(one).state == "waiting", "it waits again")
    node.stop(one)
    assert ended(again) == 0
    assert not (node.folder(one) / "booted").exists()
    assert node.status(one).state == "stopped"


def test_what_needs_no_network_begins_at_once(node: Node) -> None:
    one = booted(needs=AtBoot())
    node.start(one)
    before = node.await_phase(one, "running")
    power_cut(node, one)
    assert ended(boot(node, one)) == 0
    eventually(lambda: node.state(one)["run"] != before["run"], "it runs again")
    node.stop(one)


def test_it_waits_only_so_long(node: Node) -> None:
    needs = AtBoot({}, (BootWay(IPv4Address("127.0.0.1"), IPv4Address("192.0.2.1"), "fabric"),))
    one = booted(needs=needs)
    node.start(one)
    node.await_phase(one, "running")
    power_cut(node, one)
    program = node_files.boot_program(FLEET, one, needs, patience_s=0)
    (node.folder(one) / "boot/program").write_text(program)
    assert ended(boot(node, one)) == 1
    status = node.status(one)
    assert (status.state, status.reason) == (
        "failed",
        "its node started again, and does not start it: its way to 127.0.0.1 on fabric is not "
        "through 192.0.2.1, even after 0 s",
    )
    node.start(one)  # by hand, whatever its network is
    node.await_phase(one, "running")
    assert not (node.folder(one) / "booted").exists()
    node.stop(one)


def test_a_controller_and_the_boot_start_it_once(node: Node) -> None:
    one = booted("echo $$ >>~/pids; exec sleep 1000")
    node.start(one)
    node.await_phase(one, "running")

    def pids() -> list[str]:
        file = node.home / "pids"
        return file.read_text().split() if file.exists() else []

    eventually(lambda: len(pids()) == 1, "it runs")
    power_cut(node, one)
    several = [boot(node, one) for _ in range(2)]

    def by_hand() -> None:
        with suppress(AssertionError):  # another one has its lock
            node.start(one)

    controller = threading.Thread(target=by_hand)
    controller.start()
    controller.join(60)
    assert {ended(process) for process in several} == {0}
    node.await_phase(one, "running")
    eventually(lambda: len(pids()) >= 2, "it runs again")
    assert len(pids()) == 2
    assert node.tmux("list-panes", "-a", "-F", "#{pane_dead}") == "0\n"
    node.stop(one)


def test_values_that_only_the_node_has_are_looked_up_again(node: Node) -> None:
    one = booted(
        "echo on '<interface on fabric>'; cat '<path of hosts>'; exec sleep 1000",
        interfaces={"fabric": IPv4Address("127.0.0.1")},
        files={"hosts": "one two\n"},
    )
    node.start(one)
    node.await_phase(one, "running")
    assert "<interface on fabric>" in (node.folder(one) / "boot/spec").read_text()
    power_cut(node, one)
    assert ended(boot(node, one)) == 0
    eventually(lambda: node.log(one).count("on lo\none two\n") == 2, "both runs have them")
    node.stop(one)
