"""Two Pis behind different gateways talk to each other, once the way is there: on a real lab."""

from __future__ import annotations

import json

import pytest

from tests.conftest import MakeLab
from tests.e2e.guide import GUIDE_MACS

pytestmark = [pytest.mark.lab, pytest.mark.long]  # 40 s

TALK = (
    'exec python3 -u -c \'import socket, time; server = socket.create_server(("{local}", 7000))\n'
    'for host in "{peer.hosts}".split(","):\n'
    "    while True:\n"
    "        try: socket.create_connection((host, 7000), 5).close(); break\n"
    "        except OSError: time.sleep(0.2)\n"
    'print("talks to all", flush=True); time.sleep(999)\''
)
PEERS = (
    GUIDE_MACS
    + """\
jobs:
  mesh:
    services:
      peer:
        on: [mini2, pi5, pi4]
        peers: fabric
        ready: {log: talks to all, timeout: 30}
        command: """
    + json.dumps(TALK)
    + "\n"
)


def test_what_is_missing_is_named_repaired_and_used(make_lab: MakeLab) -> None:
    lab = make_lab(GUIDE_MACS)  # built without peers: neither Pi has a route to the other's edge
    path = lab.home / "peers.yaml"
    path.write_text(PEERS)

    def said(*command: str) -> tuple[int, str]:
        done = lab.run("controller", ["fleetctl", "-f", str(path), *command], timeout_s=90)
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return done.returncode, done.stdout.decode() + done.stderr.decode()

    refused, why = said("start")
    assert refused != 0
    assert "route-missing" in why
    problems = json.loads(said("check", "--json")[1])["problems"]
    missing = {(p["code"], p["node"]) for p in problems if p["severity"] == "error"}
    assert missing == {("route-missing", "pi5"), ("route-missing", "pi4")}

    fixed, output = said("fix", "--apply", "--yes")
    assert fixed == 0, output
    started, output = said("start")
    assert started == 0, output
    status = json.loads(said("check", "--json")[1])
    assert [p for p in status["problems"] if p["severity"] == "error"] == []
    far = {row["to"]: row["ok"] for row in status["nodes"]["pi5"]["reachability"]}
    assert far["192.168.51.4"] is True
