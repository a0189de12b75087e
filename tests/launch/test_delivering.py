"""Signals to instances, and text typed into their windows, by the real scripts."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from typing import Any

import pytest

from fleetctl.errors import ConnectTimedOut, LinkLost
from fleetctl.launch.delivering import Delivering
from fleetctl.link.local import LocalLink
from fleetctl.model.delivery import Delivery
from fleetctl.model.jobs import Instance, Restart
from tests.clock import jumping
from tests.launch.conftest import BOTH_SHELLS, FLEET, Node, alive, eventually
from tests.launch.jobs import instance
from tests.scripted import Script
from tests.simulated import SimulatedFleet

CATCHES = """\
import os, signal, time
signal.signal(signal.SIGUSR1, lambda *_: print("caught", os.getpid(), flush=True))
print("set", flush=True)
while True: time.sleep(0.05)
"""


class Local:
    """The links to this machine only."""

    async def get(self, node: str) -> LocalLink:
        return LocalLink(node)


def run(work: Coroutine[Any, Any, Delivery]) -> Delivery:
    return asyncio.run(work)


def to() -> Delivering:
    return Delivering(FLEET, Local())  # type: ignore[arg-type]  # only get() is used


def signalled(one: Instance, *, whole: bool = False, name: str = "USR1") -> Delivery:
    return run(to().signal(one, name, whole=whole))


def typed(one: Instance, text: bytes) -> Delivery:
    return run(to().send(one, text))


def started(node: Node, command: str, says: str = "set\n", **more: Any) -> Instance:
    """An instance that has printed ``says``."""
    (node.home / "catches.py").write_text(CATCHES)
    one = instance(command=command, **more)
    node.start(one)
    eventually(lambda: says in node.log(one), f"it prints {says!r}")
    return one


def caught(node: Node, one: Instance) -> list[int]:
    """The processes that caught a signal."""
    lines = [line.split() for line in node.log(one).splitlines()]
    return [int(words[1]) for words in lines if words[0] == "caught"]


@BOTH_SHELLS
@pytest.mark.parametrize(
    "command",
    [
        pytest.param("exec python3 catches.py", marks=pytest.mark.long),
        "true && python3 catches.py; echo $?",
        pytest.param("(cd / && cd ~ && python3 catches.py; true); true", marks=pytest.mark.long),
    ],
)
def test_the_program_gets_a_signal_and_not_the_shell_around_it(node: Node, command: str) -> None:
    one = started(node, command)
    found = signalled(one)
    assert found.ok, found.reason
    eventually(lambda: caught(node, one), "it is caught")
    assert [process.pid for process in found.processes] == caught(node, one)
    assert found.processes[0].name.startswith("python")
    assert node.state(one)["phase"] == "running"
    if "exec" not in command:
        return
    os.kill(int(node.state(one)["pid"]), signal.SIGKILL)  # whatever the policy
    node.await_phase(one, "ended")
    assert signalled(one) == Delivery(False, reason="nothing of it runs")
    assert signalled(instance("never")) == Delivery(False, reason="nothing of it runs")


@pytest.mark.long
@BOTH_SHELLS
def test_a_command_line_with_a_trap_gets_it_itself(node: Node) -> None:
    one = started(node, "trap 'echo caught $$' USR1; echo set; while :; do sleep 0.05; done")
    assert signalled(one).processes[0].pid == int(node.state(one)["pid"])
    eventually(lambda: caught(node, one), "it is caught")


@pytest.mark.long
@BOTH_SHELLS
def test_of_several_programs_none_is_chosen_unless_all_are_meant(node: Node) -> None:
    one = started(node, "python3 catches.py | (trap '' USR1; cat); true")
    several = "python3 catches.py | cat; true"
    other = started(node, several, service="other")
    found = signalled(other)
    assert not found.ok
    assert "it runs several processes, so which one is meant is not known: " in str(found.reason)
    assert "(cat)" in str(found.reason)
    assert caught(node, other) == []
    found = signalled(one, whole=True)
    assert found.ok
    assert len(found.processes) >= 3


@pytest.mark.long
@BOTH_SHELLS
def test_a_signal_that_ends_it_is_no_stop(node: Node) -> None:
    one = started(node, "echo set; exec sleep 1000", restart=Restart("on-failure", delay_s=0.05))
    pid = int(node.state(one)["pid"])
    assert signalled(one, name="TERM").ok
    eventually(lambda: node.state(one).get("restarts") == "1", "it is restarted")
    assert not alive(pid)


# text


READS = 'echo set; while read -r line; do echo "got <$line>"; done'


@BOTH_SHELLS
def test_text_is_typed_into_the_window_of_the_instance_and_no_other(node: Node) -> None:
    one = started(node, READS)
    other = started(node, READS, service="worker2")
    node.tmux("split-window", "-t", f"{FLEET}:worker", "cat")  # becomes its active pane
    text = "a 'b' \"c\" $d `e`; #{f} -x ä\nsecond"
    assert typed(one, f"{text}\n".encode()) == Delivery(True)
    eventually(lambda: "got <second>" in node.log(one), "it is read")
    assert f"got <{text.splitlines()[0]}>" in node.log(one)
    assert typed(one, b"no ent") == Delivery(True)
    assert typed(one, b"er\n") == Delivery(True)
    eventually(lambda: "got <no enter>" in node.log(one), "it is read")
    assert "got" not in node.log(other)
    assert node.tmux("list-buffers") == ""
    node.stop(other)
    assert typed(other, b"x\n") == Delivery(False, reason="nothing of it runs")


@pytest.mark.long
@BOTH_SHELLS
def test_what_is_typed_is_in_no_list_of_processes(node: Node) -> None:
    one = started(node, READS)
    real = node.home / "bin/tmux"
    words = node.home / "words"
    real.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$*" >>{words}\n'
        'exec /usr/bin/env PATH="${PATH#*:}" tmux "$@"\n'
    )
    real.chmod(0o755)
    assert typed(one, b"s3cret\n").ok
    assert "load-buffer" in words.read_text()
    assert "s3cret" not in words.read_text()


# nodes that cannot be asked


def test_what_is_lost_is_told() -> None:
    async def breaks(_: Script) -> int:
        raise LinkLost("pi4", "the connection broke")

    async def body() -> None:
        links = SimulatedFleet(["pi4"])
        links.node["pi4"].answers["other"] = breaks
        one = instance()
        by_hand = await Delivering(FLEET, links).send(instance(command=None), b"x")
        assert by_hand == Delivery(False, reason="it is started by hand on pi4, and only watched")
        lost = await Delivering(FLEET, links).signal(one, "USR1", whole=False)
        assert lost == Delivery(None, reason="it may have arrived or not: the connection broke")
        links.node["pi4"].cut()
        links.node["pi4"].unreachable = ConnectTimedOut("pi4", "no answer")
        assert await Delivering(FLEET, links).send(one, b"x") == Delivery(False, reason="no answer")

    jumping(body())
