"""`fleetctl serve` tells what goes wrong: a killed rank, a lost node, each once, with its cause."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
import yaml

from fleetctl.lab import Lab
from tests.e2e.cluster import User, eventually, finish, running, sh
from tests.e2e.conftest import MakeUser

pytestmark = pytest.mark.lab

JOB: dict[str, dict[str, Any]] = {
    "worker": {
        "on": ["hub", "mini", "pi"],
        "command": "echo out of cheese; exec sleep 4741",
        "stop": {"grace": 1},
    },
}


def told(user: User) -> list[dict[str, Any]]:
    """The messages that the hook got."""
    file = user.path.with_suffix(".got")
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def titles(user: User) -> list[str]:
    return [message["title"].partition(": ")[2] for message in told(user)]


def serve(user: User) -> subprocess.Popen[bytes]:
    process = user.begin("serve", "--interval", "1")
    eventually(lambda: known(user), "it has looked", timeout_s=60)
    return process


def known(user: User) -> bool:
    said: dict[str, Any] = json.loads(user.type("alerts", "--json").out)
    return bool(said["serving"] and said["known_at"])


def raised(user: User) -> set[str]:
    said = json.loads(user.type("alerts", "--json").out)
    return {cause["subject"] for rule in said["rules"] for cause in rule["raised"]}


def sent(user: User) -> bool:
    """Whether nothing waits to be sent."""
    [rule] = json.loads(user.type("alerts", "--json").out)["rules"]
    return all(to["tried_at"] and not to["waiting"] for to in rule["to"])


@pytest.fixture
def told_user(user: MakeUser) -> User:
    one = user(JOB)
    got = one.path.with_suffix(".got").name
    rule = {"on": ["rank-lost", "node-lost"], "to": {"command": f"cat >> {got}"}, "for": "1s"}
    with one.path.open("a") as file:
        file.write(yaml.safe_dump({"alerts": [rule]}))
    return one


def test_a_killed_rank_and_a_lost_node_are_told_once(lab: Lab, told_user: User) -> None:
    user = told_user
    user.start()
    process = serve(user)
    [pid] = running(lab, "mini", "sleep 4741")
    sh(lab, "mini", f"kill -9 {pid}", user="root")
    eventually(lambda: titles(user) == ["rank-lost worker@mini"], "it is told", timeout_s=60)
    [message] = told(user)
    [cause] = message["causes"]
    assert "signal 9" in cause["text"]
    assert cause["event"]["subject"] == "worker@mini"
    assert "fleetctl logs worker@mini" in cause["do"][-1]
    eventually(lambda: sent(user), "it is known to be sent")
    process.kill()
    process.wait(10)
    again = serve(user)
    lab.fault("power-off", "pi")
    eventually(lambda: len(told(user)) == 2, "the node is told", timeout_s=90)
    assert titles(user) == ["rank-lost worker@mini", "node-lost pi"]
    assert raised(user) == {"worker@mini", "pi"}
    again.terminate()
    assert finish(again).code == 0
    lab.heal()
    user.type("stop")


@pytest.mark.long
def test_it_is_told_once_that_it_is_over(lab: Lab, told_user: User) -> None:
    """Which takes the minute between two messages about one cause."""
    user = told_user
    user.start()
    process = serve(user)
    [pid] = running(lab, "mini", "sleep 4741")
    sh(lab, "mini", f"kill -9 {pid}", user="root")
    eventually(lambda: len(told(user)) == 1, "it is told", timeout_s=60)
    assert user.type("restart", "worker@mini").code == 0
    eventually(lambda: len(told(user)) == 2, "it is over", timeout_s=120)
    assert titles(user) == ["rank-lost worker@mini", "rank-lost worker@mini is over"]
    assert raised(user) == set()
    process.terminate()
    assert finish(process).code == 0
    user.type("stop")
