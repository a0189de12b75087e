"""A member of a job fails while no controller is there: its nodes follow the rule of the job."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import yaml

from tests.e2e.cluster import User, commands, eventually, running, sh
from tests.e2e.conftest import MakeUser

pytestmark = pytest.mark.lab

QUICK = {"grace": 2}
JOB: dict[str, Any] = {
    "server": {
        "on": "hub",
        "command": "exec python3 -m http.server {server.port} --bind {server.host}",
        "listen": "fabric:7801",
        "stop": QUICK,
    },
    "worker": {
        "on": ["mini", "pi"],
        "after": ["server"],
        "command": "exec sleep 480{rank}",
        "stop": QUICK,
    },
}
RUNS = {"hub": "python3 -m http.server 7801", "mini": "sleep 4801", "pi": "sleep 4802"}


def ruled(user: MakeUser, rule: str) -> User:
    one = user(JOB)
    whole = yaml.safe_load(one.path.read_text())
    job = {"on_member_failure": rule, "services": JOB}
    one.path.write_text(yaml.safe_dump({**whole, "jobs": {"job": job}}, sort_keys=False))
    one.start()
    eventually(lambda: joined(one) == 2, "its nodes know the rule")
    return one


def port(user: User) -> str:
    """Where the node of the first instance listens for the members."""
    return sh(user.lab, "hub", f"cat ~/.local/state/fleetctl/{user.fleet}/job/.members").split()[1]


def joined(user: User) -> int:
    """How many members are connected to the one that decides."""
    return len(sh(user.lab, "hub", f"ss -tnH sport = :{port(user)}").splitlines())


def beside(user: User, node: str) -> list[str]:
    """What goes on beside supervisors of the user's fleet."""
    mine = f"/{user.fleet}/job/"
    return [c for c in commands(user.lab, node).values() if "/member " in c and mine in c]


def kill(user: User, node: str) -> None:
    (pid,) = running(user.lab, node, RUNS[node])
    sh(user.lab, node, f"kill -KILL {pid}", user="root")


def test_all_are_stopped_within_five_seconds(user: MakeUser) -> None:
    one = ruled(user, "stop-all")
    kill(one, "pi")
    began_s = time.monotonic()
    eventually(
        lambda: not any(running(one.lab, node, what) for node, what in RUNS.items()),
        "all are stopped",
        5,
    )
    assert time.monotonic() - began_s < 5

    services = one.services()
    said = "by on_member_failure: worker@pi failed (exit code 137)"
    for name in ("server@hub", "worker@mini"):
        assert (services[name]["state"], services[name]["reason"]) == ("stopped", said)
    assert services["worker@pi"]["state"] == "failed"
    (problem,) = json.loads(one.type("status", "--json").out)["problems"]
    assert problem["code"] == "service-failed"
    assert set(problem["affects"]) == {"worker@pi", "server@hub", "worker@mini"}
    stopped = "on_member_failure stopped server@hub and worker@mini for it"
    assert problem["summary"].endswith(stopped)
    assert one.start().code == 0  # all begin anew
    assert one.type("stop").code == 0
    assert [command for node in RUNS for command in beside(one, node)] == []


@pytest.mark.long
def test_all_begin_again(user: MakeUser) -> None:
    one = ruled(user, "restart-all")
    before = {node: running(one.lab, node, command) for node, command in RUNS.items()}
    kill(one, "hub")
    eventually(
        lambda: all(
            (now := running(one.lab, node, command)) and now != before[node]
            for node, command in RUNS.items()
        ),
        "all run again",
        30,
    )
    eventually(lambda: set(one.states().values()) == {"ready"}, "they are ready", 20)
    said = "restarted by on_member_failure: server@hub failed (exit code 137)"
    assert {service["reason"] for service in one.services().values()} == {said}
    assert one.type("stop", "worker").code == 0
    assert one.states()["server@hub"] == "ready"  # a stop is no failure
    assert one.type("stop").code == 0
    assert [command for node in RUNS for command in beside(one, node)] == []


@pytest.mark.long
def test_where_a_member_must_listen_is_its_data_address_alone(user: MakeUser) -> None:
    one = ruled(user, "stop-all")
    listening = sh(one.lab, "hub", f"ss -tlnH sport = :{port(one)}").split()
    assert listening[3] == f"10.10.0.1:{port(one)}"
    token = sh(one.lab, "hub", f"cat ~/.local/state/fleetctl/{one.fleet}/job/.members").split()[0]
    assert token not in sh(one.lab, "hub", "ps -eo args", user="root")
    mode = sh(one.lab, "hub", f"stat -c %a ~/.local/state/fleetctl/{one.fleet}/job/.members")
    assert mode.strip() == "600"
    assert one.type("stop").code == 0
