"""What follows when a member fails: real members in tmux on this machine, without a controller."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, cast

import pytest

from fleetctl.errors import LaunchError
from fleetctl.launch import membership
from fleetctl.launch.birth import Birth
from fleetctl.launch.member_program import STRANGERS
from fleetctl.launch.membership import Memberships
from fleetctl.launch.secrets import Secrets
from fleetctl.link.links import Links
from fleetctl.link.local import LocalLink
from fleetctl.model.jobs import FailureRule, GroupRule, Instance, Job, Restart, Stop
from fleetctl.model.ready import Ready
from fleetctl.probes.python3 import one_program
from tests.launch.conftest import FLEET, Node, alive, eventually
from tests.launch.jobs import job, listen

FAST = Stop(grace_s=1)
HELLO = 34
"""Bytes of a connection before its first message, as TCP counts them."""


class _Here:
    """Every node is this machine."""

    async def get(self, name: str) -> LocalLink:
        return LocalLink(name)


class Members:
    """A server and two workers, each on a node of its own, all of them this machine."""

    def __init__(self, node: Node, rule: FailureRule, **more: dict[str, Any]) -> None:
        group = GroupRule(rule, "server@a", "a", IPv4Address("127.0.0.1"))
        common = {"group": group, "stop": FAST}
        self.node = node
        self.job: Job = job(
            {"server": (["a"], []), "worker": (["b", "c"], ["server"])},
            server={**common, **more.get("server", {})},
            worker={**common, **more.get("worker", {})},
        )
        self.all = {i.name: i for i in self.job.instances}

    def start(self, *names: str) -> None:
        self.begin(*names)
        for name in names or self.all:
            one = self.all[name]
            self.node.await_phase(one, "running")
            eventually((self.node.folder(one) / "member.pid").exists, f"{name} is a member")

    def begin(self, *names: str) -> None:
        links = cast(Links, _Here())
        memberships = Memberships(FLEET, self.job, links)

        async def birth(one: Instance) -> None:
            begun = Birth(FLEET, LocalLink(one.node), Secrets([one]), memberships)
            try:
                assert await begun.start(one)
            finally:
                begun.close()

        async def births() -> None:
            for name in names or self.all:
                await birth(self.all[name])

        asyncio.run(births())

    def attempt(self, name: str) -> tuple[str, str]:
        state = self.node.state(self.all[name])
        return state.get("phase", ""), state.get("restarts", "")

    def await_all(self, condition: Callable[[Instance], object], what: str) -> None:
        eventually(lambda: all(map(condition, self.all.values())), what)

    def stop(self) -> None:
        processes = [self.beside(name) for name in self.all]
        for one in self.all.values():
            assert "done" in self.node.stop(one)
            assert (self.node.status(one).state, self.node.status(one).reason) == ("stopped", None)
        eventually(lambda: not any(map(alive, processes)), "nothing goes on beside them")

    def kill(self, name: str) -> None:
        os.kill(int(self.node.state(self.all[name])["pid"]), signal.SIGKILL)

    def beside(self, name: str) -> int:
        """The process that goes on beside its supervisor."""
        return int((self.node.folder(self.all[name]) / "member.pid").read_text().split()[0])

    def joined(self, workers: int = 2) -> None:
        """Wait until the one that decides has told the workers what they are to do."""
        key = self.node.folder(self.all["server@a"]).parent / ".members"
        argv = ["ss", "-tinH", "sport", "=", f":{key.read_text().split()[1]}"]

        def told() -> bool:
            said = subprocess.run(argv, capture_output=True, text=True, timeout=10).stdout
            return sum(int(n) > HELLO for n in re.findall(r"bytes_acked:(\d+)", said)) == workers

        eventually(told, "they have joined")


@pytest.fixture
def node(node: Node, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.setattr(membership, "SILENT_S", 4.0)
    yield node
    for file in node.home.glob(".local/state/fleetctl/*/*/*/member.pid"):
        pid = int(file.read_text().split()[0])
        if alive(pid):
            os.kill(pid, signal.SIGTERM)


def test_one_that_is_killed_ends_all_within_five_seconds(node: Node) -> None:
    members = Members(node, "stop-all")
    members.start()
    members.joined()
    processes = [members.beside(name) for name in members.all]
    began_s = time.monotonic()
    members.kill("worker@b")
    members.await_all(lambda i: node.state(i)["phase"] == "ended", "all have ended")
    assert time.monotonic() - began_s < 5
    failed, *others = (node.status(members.all[n]) for n in ("worker@b", "server@a", "worker@c"))
    assert (failed.state, failed.reason) == ("failed", "exit code 137 (signal 9)")
    said = "by on_member_failure: worker@b failed (exit code 137)"
    assert {(other.state, other.reason) for other in others} == {("stopped", said)}
    eventually(lambda: not any(map(alive, processes)), "they end with the job")
    members.stop()


@pytest.mark.long
def test_strangers_get_no_more_than_eight_connections_and_members_are_served(node: Node) -> None:
    members = Members(node, "stop-all")
    members.start("server@a", "worker@b")
    members.joined(1)
    key = node.folder(members.all["server@a"]).parent / ".members"
    port = int(key.read_text().split()[1])
    with ExitStack() as opened:
        strangers = [
            opened.enter_context(socket.create_connection(("127.0.0.1", port), 10))
            for _ in range(STRANGERS + 4)
        ]
        greeted = [bool(stranger.recv(64)) for stranger in strangers]
        assert greeted == [True] * STRANGERS + [False] * 4
        for stranger in strangers[:STRANGERS]:
            assert stranger.recv(64) == b""  # after five seconds each is dropped
        late = opened.enter_context(socket.create_connection(("127.0.0.1", port), 10))
        assert late.recv(64)
        members.start("worker@c")
        members.joined()
        members.kill("worker@b")
        members.await_all(lambda i: node.state(i)["phase"] == "ended", "the rule holds")
    members.stop()


def test_all_begin_again_in_order(node: Node) -> None:
    note = 'echo "$FLEETCTL_SERVICE" >>~/order; '
    serve = f"{note}sleep 0.5; exec python3 -m http.server 7391 --bind 127.0.0.1"
    work = f"{note}exec sleep 4711"
    members = Members(
        node,
        "restart-all",
        server={"command": serve, "listen": listen(7391, "127.0.0.1"), "ready": Ready("listening")},
        worker={"command": work, "restart": Restart("on-failure", max=1, delay_s=0.1)},
    )
    members.start()
    members.joined()
    members.kill("worker@b")  # its own restarts come first
    eventually(lambda: members.attempt("worker@b") == ("running", "1"), "it is restarted alone")
    assert members.attempt("server@a") == ("running", "0")
    (node.home / "order").unlink()
    members.kill("worker@b")
    want = {"server@a": "1", "worker@b": "2", "worker@c": "1"}
    eventually(
        lambda: all(members.attempt(n) == ("running", a) for n, a in want.items()), "all run again"
    )
    order = ["server", "worker", "worker"]
    eventually(lambda: (node.home / "order").read_text().split() == order, "in this order")
    eventually(lambda: node.status(members.all["server@a"]).state == "ready", "it listens again")
    said = "restarted by on_member_failure: worker@b failed (exit code 137)"
    members.await_all(lambda i: node.status(i).reason == said, "why is told")
    members.stop()


SLOW = (
    "rm -f ~/up; sleep 3; date +%s%N >~/up; echo up; exec python3 -m http.server 7392 --bind "
    "127.0.0.1"
)


@pytest.mark.parametrize(
    "ready",
    [
        Ready("log", "^up$"),
        pytest.param(Ready("command", "test -s ~/up"), marks=pytest.mark.long),
        pytest.param(Ready("connect", "127.0.0.1:7392"), marks=pytest.mark.long),
        pytest.param(
            Ready("http", "http://127.0.0.1:7392/", body="Directory"), marks=pytest.mark.long
        ),
    ],
    ids=lambda ready: ready.kind,
)
def test_what_has_to_be_asked_for_is_asked_by_its_node(node: Node, ready: Ready) -> None:
    members = Members(
        node,
        "restart-all",
        server={"command": SLOW, "ready": ready},
        worker={"command": "date +%s%N >>~/began; exec sleep 4713"},
    )
    members.start()
    members.joined()
    server, worker = members.all["server@a"], members.all["worker@b"]
    up = node.home / "up"
    eventually(up.exists, "the server works")
    (node.home / "began").write_text("")
    os.kill(int(node.state(worker)["pid"]), signal.SIGKILL)
    members.await_all(lambda i: members.attempt(i.name) == ("running", "1"), "all run again")
    eventually(lambda: len((node.home / "began").read_text().split()) == 2, "both began")
    assert min(map(int, (node.home / "began").read_text().split())) > int(up.read_text())
    noted = node.folder(server) / "ready"
    assert noted.read_text() == f"{node.state(server)['run']} 1\n"
    members.stop()


@pytest.mark.long
def test_what_a_failed_one_left_is_ended_before_all_begin_again(node: Node) -> None:
    members = Members(node, "restart-all", worker={"command": "sleep 4712; true"})
    members.start()
    members.joined()
    (child,) = Path(f"/proc/{node.state(members.all['worker@b'])['pid']}").glob("task/*/children")
    left = int(child.read_text())
    members.kill("worker@b")
    eventually(lambda: members.attempt("worker@b") == ("running", "1"), "it begins again")
    assert not alive(left)
    members.stop()


def test_no_token_is_put_where_others_may_write(node: Node) -> None:
    members = Members(node, "stop-all")
    folder = node.folder(members.all["server@a"]).parent
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    memberships = Memberships(FLEET, members.job, cast(Links, _Here()))
    with pytest.raises(LaunchError, match="can be written by others"):
        asyncio.run(memberships.part(members.all["worker@b"], "0"))
    assert list(folder.iterdir()) == []


@pytest.mark.long
def test_a_stop_is_no_failure(node: Node) -> None:
    members = Members(node, "stop-all")
    members.start()
    members.joined()
    beside = members.beside("worker@b")
    node.stop(members.all["worker@b"])
    assert not alive(beside)
    time.sleep(6)  # longer than silence is borne
    assert members.attempt("server@a") == members.attempt("worker@c") == ("running", "0")
    members.start("worker@b")
    members.joined()
    members.kill("worker@c")
    members.await_all(lambda i: node.state(i)["phase"] == "ended", "the rule holds again")
    members.stop()


@pytest.mark.long
def test_when_the_one_that_decides_is_gone_the_others_follow_the_rule(node: Node) -> None:
    members = Members(node, "stop-all")
    members.start()
    members.joined()
    os.kill(members.beside("server@a"), signal.SIGKILL)
    workers = [members.all[name] for name in ("worker@b", "worker@c")]
    eventually(lambda: all(node.state(w)["phase"] == "ended" for w in workers), "they end", 20)
    why = "by on_member_failure: server@a was not heard of for 4 s"
    assert {(s.state, s.reason) for s in map(node.status, workers)} == {("stopped", why)}
    members.stop()


@pytest.mark.long
def test_it_is_told_while_a_member_is_not_in_touch(node: Node) -> None:
    members = Members(node, "stop-all")
    members.start("worker@b")
    said = "on_member_failure does not hold: not in touch with server@a: Connection refused"
    eventually(lambda: node.status(members.all["worker@b"]).reason == said, "it is told", 20)
    members.start("server@a", "worker@c")
    eventually(lambda: node.status(members.all["worker@b"]).reason is None, "it has joined")
    members.stop()


CRASHES = {
    "import nothing_such": (
        "python3 beside it ended with exit code 1: ModuleNotFoundError: No module named "
        "'nothing_such'"
    ),
    "raise OSError('a\\033[31m\\nb')": "python3 beside it ended with exit code 1: OSError: a[31m",
    "import os; os.kill(os.getpid(), 9)": "python3 beside it ended with exit code 137",
    "def birth(pid): raise OSError(28, 'No\\nspace left')": (
        "the program beside it ended: OSError: [Errno 28] No space left"
    ),
}
"""By what it does: why the rule does not hold."""
QUICK = next(iter(CRASHES))


@pytest.mark.parametrize(
    "what", [QUICK, *(pytest.param(w, marks=pytest.mark.long) for w in CRASHES if w != QUICK)]
)
@pytest.mark.parametrize("node", ["dash", "bash"], indirect=True)
def test_it_is_told_when_the_program_beside_it_crashes(
    node: Node, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(membership, "one_program", lambda names: crashing(names, what))
    waits = "while [ ! -e ~/go ]; do sleep 0.1; done"
    members = Members(node, "stop-all", worker={"command": waits})
    one = members.all["worker@b"]
    members.begin("worker@b")
    said = f"on_member_failure does not hold: {CRASHES[what]}"
    eventually(lambda: node.status(one).reason == said, said)
    (node.home / "go").touch()
    assert node.await_phase(one, "ended")["exit"] == "0"
    assert "in the background" not in node.log(one)


def crashing(names: tuple[str, ...], what: str) -> str:
    """The program, which does ``what`` before it does anything."""
    return one_program(names).replace('if __name__ == "__main__":', what + "\n\nif 1:")


def test_what_starts_the_program_beside_it_is_no_process_of_the_run(node: Node) -> None:
    (node.home / "bin/python3").write_text(
        f'#!/bin/sh\ncase $1 in */member) sleep 60 ;; *) exec {sys.executable} "$@" ;; esac\n'
    )
    (node.home / "bin/python3").chmod(0o755)
    members = Members(node, "stop-all", worker={"command": "true"})
    members.begin("worker@b")
    one = members.all["worker@b"]
    assert node.await_phase(one, "ended")["exit"] == "0"
    assert "in the background" not in node.log(one)


@pytest.mark.long
def test_one_without_a_supervisor_ends_all(node: Node) -> None:
    members = Members(node, "restart-all")
    members.start()
    members.joined()
    state = node.state(members.all["worker@b"])
    os.kill(int(state["supervisor"].split()[0]), signal.SIGKILL)
    eventually(lambda: members.attempt("server@a")[0] == "ended", "it cannot begin again")
    eventually(lambda: not alive(int(state["pid"])), "what was left of it is ended")
    members.stop()


@pytest.mark.long
def test_it_begins_again_three_times(node: Node) -> None:
    members = Members(node, "restart-all", worker={"command": "sleep 2; exit 7"})
    members.start()
    over = ("ended", "3")
    eventually(lambda: all(members.attempt(n) == over for n in members.all), "it is given up", 60)
    status = node.status(members.all["server@a"])
    assert status.state == "stopped"
    assert (status.reason or "").endswith("(exit code 7), after 3 restarts of the job within 600 s")
    members.stop()
