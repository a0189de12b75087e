"""Three machines with a cable between each two of them and no bridge, on a real lab."""

from __future__ import annotations

import json

import pytest

from tests.conftest import MakeLab
from tests.e2e.cluster import eventually

pytestmark = pytest.mark.lab

TRIANGLE = """\
fleet: triangle
networks:
  wifi: {cidr: 192.168.1.0/24, kind: wifi, control: true}
  cable12: {cidr: 10.0.12.0/30, kind: thunderbolt}
  cable13: {cidr: 10.0.13.0/30, kind: thunderbolt}
  cable23: {cidr: 10.0.23.0/30, kind: thunderbolt}
nodes:
  mini1:
    ssh: {host: 192.168.1.11}
    addresses: {wifi: 192.168.1.11, cable12: 10.0.12.1, cable13: 10.0.13.1}
  mini2:
    ssh: {host: 192.168.1.12}
    addresses: {wifi: 192.168.1.12, cable12: 10.0.12.2, cable23: 10.0.23.1}
  mini3:
    ssh: {host: 192.168.1.13}
    addresses: {wifi: 192.168.1.13, cable13: 10.0.13.2, cable23: 10.0.23.2}
  here: {connection: local}
internet: null
jobs:
  ring:
    services:
      server:
        on: mini1
        command: exec python3 -m http.server {server.port}
        listen: [cable12:6000, cable13:6000]
      worker:
        on: [mini2, mini3]
        after: server
        command: |
          exec python3 -c 'import socket, time
          s = socket.create_connection(("{server.host}", {server.port})); time.sleep(999)'
"""


def test_each_worker_uses_its_own_cable(make_lab: MakeLab) -> None:
    lab = make_lab(TRIANGLE)
    started = lab.run("controller", ["fleetctl", "start"], timeout_s=60)
    assert started.returncode == 0, (started.stdout.decode(), started.stderr.decode())

    def check() -> tuple[list[tuple[str, str, bool]], list[str]]:
        told = lab.run("controller", ["fleetctl", "check", "--json"], timeout_s=60).stdout
        status = json.loads(told)
        workers = (status["services"][f"worker@{node}"] for node in ("mini2", "mini3"))
        used = [(c["to"], c["network"], c["ok"]) for w in workers for c in w["connections"] or ()]
        return used, [p["code"] for p in status["problems"]]

    cables = [("10.0.12.1:6000", "cable12", True), ("10.0.13.1:6000", "cable13", True)]
    what = "each worker is connected over its cable, and nothing is wrong"
    eventually(lambda: check() == (cables, ["listen-exposed"]), what, timeout_s=30)
