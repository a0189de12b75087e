"""A job on a real lab whose data goes over Wi-Fi: by its own address, and by a route."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fleetctl.lab import Lab
from tests.conftest import MakeLab
from tests.e2e.cluster import eventually

pytestmark = pytest.mark.lab

CLIENT = (
    "exec python3 -c 'import socket, time; "
    's = socket.create_connection(("{server.host}", {server.port})); time.sleep(999)\''
)
PAIR = f"""\
fleet: pair
networks:
  wifi:   {{cidr: 192.168.1.0/24, kind: wifi, control: true}}
  fabric: {{cidr: 10.10.0.0/24, kind: thunderbolt}}
nodes:
  mini1:
    os: macos
    ssh: {{host: 192.168.1.11, user: one}}
    addresses: {{wifi: 192.168.1.11, fabric: 10.10.0.1}}
  pi2:
    ssh: {{host: 192.168.1.12, user: two}}
    addresses: {{wifi: 192.168.1.12, fabric: 10.10.0.2}}
internet: null
jobs:
  fast:
    services:
      server:
        on: mini1
        command: exec python3 -m http.server {{server.port}} --bind {{server.host}}
        listen: fabric:6000
        ready: {{listening: true}}
      worker: &worker
        on: pi2
        after: [server]
        command: |
          {CLIENT}
  slow:
    services:
      server:
        on: mini1
        command: exec python3 -m http.server {{server.port}} --bind {{server.host}}
        listen: wifi:6001
        ready: {{listening: true}}
      worker: *worker
"""


def asked(lab: Lab, job: str, command: str) -> dict[str, Any]:
    told = lab.run("controller", ["fleetctl", "--job", job, command, "--json"], timeout_s=45).stdout
    found: dict[str, Any] = json.loads(told)
    return found


def connections(status: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = status["services"]["worker@pi2"]["connections"]
    return found


def state(lab: Lab, job: str) -> tuple[list[tuple[str, str | None]], dict[str, Any] | None]:
    """The problems, and the worker's connection."""
    status = asked(lab, job, "check")
    found = connections(status)
    other_job = "service-orphaned"
    problems = [(p["code"], p["node"]) for p in status["problems"] if p["code"] != other_job]
    return problems, found[0] if found else None


def start(lab: Lab, job: str) -> None:
    done = lab.run("controller", ["fleetctl", "--job", job, "start"], timeout_s=60)
    assert done.returncode == 0, (done.stdout.decode(), done.stderr.decode())
    eventually(
        lambda: connections(asked(lab, job, "status")), "the worker is connected", timeout_s=20
    )


@pytest.mark.long  # 20 s
def test_a_connection_says_whether_it_uses_the_best_network(make_lab: MakeLab) -> None:
    lab = make_lab(PAIR)
    start(lab, "fast")
    problems, used = state(lab, "fast")
    assert (problems, used and (used["network"], used["ok"])) == ([], ("fabric", True))

    start(lab, "slow")
    problems, used = state(lab, "slow")
    assert problems == [("data-over-control", "pi2")]
    assert used == {
        "to": "192.168.1.11:6001",
        "local": "192.168.1.12",
        "network": "wifi",
        "ok": False,
        "expected": "10.10.0.1:6001",
        "reason": "wifi is a control network, and fabric leads there",
    }

    lab.fault("detour", "pi2")
    lab.run("controller", ["fleetctl", "--job", "fast", "stop"], timeout_s=60)
    start(lab, "fast")
    problems, used = state(lab, "fast")
    assert problems == [("route-wrong-interface", "pi2")]
    assert used
    assert (used["network"], used["expected"]) == ("wifi", "10.10.0.1:6000")
