"""Two machines that serve one fleet at once, the laptop and a node of it: one sends the alerts, the
other takes over when that one is killed; nothing comes twice, and both keep the history."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleetctl.lab import Lab
from tests.conftest import MakeLab
from tests.e2e.cluster import NODES, NODES_YAML, User, eventually, running, sh

pytestmark = [pytest.mark.lab, pytest.mark.long]  # a minute and a half until one is not heard

ROOT = Path(__file__).parents[2]
WAIT_S = 240.0
JOB_ON = {"one": "mini", "two": "pi"}
WORKER: dict[str, Any] = {"command": "exec sleep 4750", "stop": {"grace": 1}}
JOBS = {job: {"services": {"worker": {"on": node, **WORKER}}} for job, node in JOB_ON.items()}
RULE = {"on": "job-failed", "to": {"command": "cat >> told.json"}, "for": "1s"}
"""A node that is slow for a while on a busy machine does not fail."""


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab) -> Lab:
    """Its nodes can run fleetctl."""
    return make_lab(NODES_YAML, mounts=[(Path(sys.prefix), None), (ROOT, None)])


@pytest.fixture
def laptop(lab: Lab) -> Iterator[User]:
    user = User(lab, "home", {})
    user.path.write_text(yaml.safe_dump({"fleet": "home", **NODES, "jobs": JOBS, "alerts": [RULE]}))
    yield user
    user.leave()


class Machine:
    """Where fleetctl serves: the controller, or a node of the fleet."""

    def __init__(self, user: User, node: str = "controller") -> None:
        self.user = user
        self.node = node
        python = ["env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "fleetctl", "-f", "home.yaml"]
        self._argv = user.argv() if node == "controller" else python
        self._process: subprocess.Popen[bytes] | None = None

    def type(self, *arguments: str) -> str:
        argv = [*self._argv, *arguments]
        return self.user.lab.run(self.node, argv, timeout_s=60).stdout.decode()

    def serve(self) -> None:
        """Begin, and wait until it has looked at the fleet."""
        self._process = self.user.lab.popen(
            self.node,
            [*self._argv, "serve"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(lambda: self.alerts()["known_at"], f"{self.node} has looked", WAIT_S)

    def alerts(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self.type("alerts", "--json"))
        return said

    @property
    def rule(self) -> dict[str, Any]:
        [rule] = self.alerts()["rules"]
        return dict(rule)

    def raised(self) -> set[str]:
        return {cause["subject"] for cause in self.rule["raised"]}

    def left_to(self) -> str:
        """Which other machine sent the newest, if nothing waits any more; else empty."""
        [to] = self.rule["to"]
        return "" if to["waiting"] else str(to["by"])

    def told(self) -> list[tuple[str, bool]]:
        """What it sent: the title, and whether it may have been sent before."""
        shown = "cat told.json 2>/dev/null || true"
        lines = self.user.lab.run(self.node, ["sh", "-c", shown]).stdout.decode().splitlines()
        said = [json.loads(line) for line in lines]
        return [(one["title"].partition(": ")[2], one["may_repeat"]) for one in said]

    def kept(self, text: str) -> bool:
        """Whether its history has the links, and that event."""
        series = json.loads(self.type("history", "--json"))["series"]
        links = {one["subject"] for one in series if one["metric"] == "loss_percent"}
        return (
            text in self.type("events", "--json") and {"mini:hub/fabric", "pi:hub/cable"} <= links
        )

    def kill(self) -> None:
        """As a power cut would: it cannot say anything."""
        if self._process:
            self._process.kill()
            self._process.wait(60)


def second(user: User, node: str) -> Machine:
    """``node`` with the keys and the nodes.yaml of the laptop."""
    for source, place in ((user.path, "home.yaml"), *keys(user.lab)):
        script = f"umask 077; mkdir -p .ssh; cat > {place}"
        given = source.read_bytes()
        done = user.lab.run(node, ["sh", "-c", script], input=given)
        assert done.returncode == 0, done.stderr
    return Machine(user, node)


def keys(lab: Lab) -> list[tuple[Path, str]]:
    return [(lab.home / ".ssh" / name, f".ssh/{name}") for name in ("cluster", "known_hosts")]


def kill_worker(lab: Lab, node: str) -> None:
    [pid] = running(lab, node, "sleep 4750")
    sh(lab, node, f"kill -9 {pid}", user="root")


@pytest.fixture
def machines(lab: Lab, laptop: User) -> Iterator[tuple[Machine, Machine]]:
    """The laptop, and a node which has its keys and its nodes.yaml."""
    both = Machine(laptop), second(laptop, "hub")
    yield both
    for machine in both:
        machine.kill()
    laptop.type("--job", "all", "stop")


def test_one_sends_and_the_other_takes_over_when_it_is_killed(
    lab: Lab, laptop: User, machines: tuple[Machine, Machine]
) -> None:
    said = laptop.type("--job", "all", "start", timeout_s=WAIT_S)
    assert said.code == 0, said.err
    first, other = machines
    first.serve()
    notes = "cat ~/.local/state/fleetctl/home/.serving/* 2>/dev/null || true"
    eventually(lambda: "root@" in sh(lab, "mini", notes), "the first one noted itself", WAIT_S)
    other.serve()
    eventually(lambda: "one@" in sh(lab, "mini", notes), "the other one, too", WAIT_S)

    kill_worker(lab, "mini")
    eventually(lambda: first.told() == [("job-failed one", False)], "it is told", WAIT_S)
    eventually(lambda: "root@" in other.left_to(), "the other one leaves it to it", WAIT_S)
    assert other.raised() == first.raised() == {"one"}
    assert other.told() == []
    for machine in machines:
        eventually(partial(machine.kept, "worker@mini is failed"), "it is kept", WAIT_S)

    first.kill()
    kill_worker(lab, "pi")
    eventually(other.told, "the other one takes over", WAIT_S)
    assert other.told() == [("job-failed two", True)], "not what was told; with a word"
    assert len(first.told()) == 1
    assert first.kept("worker@mini is failed"), "what it kept can be read after its death"
    assert other.kept("worker@pi is failed")

    first.serve()
    eventually(lambda: first.raised() == {"one", "two"}, "it knows all", WAIT_S)
    eventually(lambda: "one@" in first.left_to(), "it leaves that to the other one", WAIT_S)
    assert (len(first.told()), len(other.told())) == (1, 1), "nothing comes twice"
