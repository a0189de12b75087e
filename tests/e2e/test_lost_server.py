"""A server is restarted by itself: of its workers one connects again, one works on alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fleetctl.lab import Lab
from tests.conftest import MakeLab
from tests.e2e.cluster import NODES_YAML, User, eventually

pytestmark = [pytest.mark.lab, pytest.mark.long]  # 60 s: nothing is judged before 30 s

SERVER = """\
import socket
server = socket.create_server(("{server.host}", {server.port}))
held = []
print("listens", flush=True)
while True:
    held.append(server.accept())
"""
WORKER = """\
import socket, sys, time
def connect():
    while True:
        try:
            return socket.create_connection(("{server.host}", {server.port}))
        except OSError:
            time.sleep(0.2)
own = connect()
print("connected", flush=True)
own.recv(1)
own.close()
own = connect() if sys.argv[1] == "mini" else None
while True:
    print("step", flush=True)
    time.sleep(1)
"""


def program(text: str, *words: str) -> str:
    return f"exec python3 -c '{text}' {' '.join(words)}"


SERVICES: dict[str, Any] = {
    "server": {"on": "hub", "command": program(SERVER), "listen": "fabric:7301"},
    "worker": {
        "on": ["mini", "pi"],
        "after": ["server"],
        "command": program(WORKER, "{node}"),
        "ready": {"log": "connected", "timeout": 20},
    },
}


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab) -> Lab:
    return make_lab(NODES_YAML)


def test_who_works_alone_after_a_restart_of_the_server(lab: Lab) -> None:
    job = User(lab, "lost", SERVICES)
    job.start()
    eventually(lambda: len(connected(job)) == 2, "both are connected", timeout_s=20)

    said = job.type("restart", "server")
    assert said.code == 0, said.err
    assert said.err.splitlines()[-1] == (
        "worker@mini, worker@pi: they were connected to what was restarted; "
        "to restart that, too: fleetctl restart --dependents server"
    )
    eventually(lambda: problems(job) != [], "it is told", timeout_s=90)
    (problem,) = problems(job)
    assert (problem["code"], problem["severity"]) == ("connection-lost", "warning")
    assert problem["summary"] == (
        "worker@pi has no connection to server on hub, which runs: worker@mini holds its own"
    )
    assert job.states() == dict.fromkeys(("server@hub", "worker@mini", "worker@pi"), "ready")
    assert problem["fix"]["commands"] == ["fleetctl restart worker@pi"]

    assert job.type("restart", "--dependents", "server").code == 0
    assert connected(job) == ["worker@mini", "worker@pi"]
    job.type("stop")


def problems(job: User) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(job.type("status", "--json").out)["problems"]
    return found


def connected(job: User) -> list[str]:
    return [n for n, s in job.services().items() if s["connections"]]
