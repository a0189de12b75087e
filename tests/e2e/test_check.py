"""check on the shipped cluster of Macs and Pis: faults are named and healed."""

from __future__ import annotations

import json
import time

import pytest

from fleetctl.lab import Lab
from tests.e2e.cluster import CONNECT_TIMEOUT_S
from tests.e2e.guide import check, errors
from tests.waiting import patient

pytestmark = pytest.mark.lab

BUSY_S = 20.0
"""How long a check of this cluster may take on a busy machine, besides its waits."""


@pytest.fixture
def lab(healed_guide: Lab) -> Lab:
    """Healthy again after each test, which a check confirms."""
    return healed_guide


def test_a_healthy_fleet_yields_nothing_and_is_checked_quickly(lab: Lab) -> None:
    began = time.monotonic()
    status = check(lab)
    assert time.monotonic() - began < patient(3.0 + BUSY_S)
    assert (status["problems"], status["healthy"]) == ([], True)
    nodes = status["nodes"]
    assert {n["system"]["os"] for n in nodes.values() if n["system"]} == {"macos", "linux"}
    for name, node in nodes.items():
        rows = (*node["addresses"], *node["routes"], *node["reachability"], node["forwarding"])
        if node["state"] == "ok":
            assert [r for r in rows if r["ok"] is not True] == [], name
    assert nodes["mini1"]["addresses"][1]["interface"] == "bridge0"
    assert nodes["mini1"]["forwarding"]["persistent"] is True
    assert [r["kind"] for r in nodes["pi4"]["routes"]] == ["route", "default"]
    isolated = [r for r in nodes["pi4"]["reachability"] if not r["expected"]]
    assert {r["to"] for r in isolated} == {"192.168.50.1", "192.168.50.2"}


def test_status_leaves_to_check_what_takes_waiting(lab: Lab) -> None:
    done = lab.run("controller", ["fleetctl", "status", "--json"])
    rows = json.loads(done.stdout)["nodes"]["pi4"]["reachability"]
    silent = [r for r in rows if not r["expected"]]
    assert [(r["observed"], r["ok"]) for r in silent] == [(None, None)] * len(silent)
    assert all("fleetctl check" in r["reason"] for r in silent)
    assert all(r["ok"] and r["loss_percent"] is None for r in rows if r["expected"])


def test_output_for_people(lab: Lab) -> None:
    lab.fault("return-route-missing", "mini1")
    done = lab.run("controller", ["fleetctl", "check"], timeout_s=45)
    shown = done.stdout.decode()
    assert done.returncode == 1
    assert "fabric: rows ask, columns answer" in shown
    assert "✖  return route    192.168.51.0/24 via 10.10.0.3  via 192.168.1.1 on en1" in shown
    assert (
        "✖ return-route-missing: mini1 has no way back to edge51 (192.168.51.0/24) via mini3 "
        "(10.10.0.3); so pi4 gets no answer from it" in shown
    )
    assert "    → sudo route -n add -net 192.168.51.0/24 10.10.0.3" in shown
    assert "fleetctl fix" in shown.splitlines()[-1]
    only = lab.run("controller", ["fleetctl", "check", "pi5"], timeout_s=45)
    assert b"return-route-missing" not in only.stdout  # pi5 is not affected
    assert only.returncode == 1  # the fleet is not healthy all the same


def test_an_unknown_target_is_a_wrong_call(lab: Lab) -> None:
    done = lab.run("controller", ["fleetctl", "check", "mini9"])
    assert done.returncode == 2
    assert b"Did you mean 'mini" in done.stderr


LONG = pytest.mark.long  # test_every_fault tries all of them, too
BY_HAND = [
    ("power-off", "mini3", ("ssh-timeout", "ssh-unreachable")),
    pytest.param("wifi-down", "mini1", ("interface-down",), marks=LONG),
    ("sshd-hang", "pi5", ("ssh-hung",)),
    pytest.param("fabric-down", "mini2", ("interface-down",), marks=LONG),
    pytest.param("edge-down", "pi4", ("interface-down",), marks=LONG),
    pytest.param("vpn-route", "mini1", ("route-wrong-interface",), marks=LONG),
    pytest.param("vpn-route", "pi4", ("route-wrong-interface",), marks=LONG),
    pytest.param("tmux-missing", "mini2", ("tmux-missing",), marks=LONG),
    pytest.param("disk-full", "pi5", ("disk-full",), marks=LONG),
    pytest.param("host-key-changed", "mini2", ("ssh-host-key-changed",), marks=LONG),
    pytest.param("key-revoked", "pi4", ("ssh-auth-failed",), marks=LONG),
]


@pytest.mark.parametrize(("kind", "node", "codes"), BY_HAND)
def test_a_fault_that_needs_hands_is_named_in_time(
    lab: Lab, kind: str, node: str, codes: tuple[str, ...]
) -> None:
    lab.fault(kind, node)
    began = time.monotonic()
    found = errors(check(lab))
    assert time.monotonic() - began < patient(CONNECT_TIMEOUT_S + 1 + BUSY_S)
    assert found in [{(code, node)} for code in codes]


def test_an_old_ip_says_that_the_way_is_not_known_and_nothing_else(lab: Lab) -> None:
    lab.fault("old-ip", "pi5")
    found = check(lab)
    assert found["problems"] == []
    routes = found["nodes"]["pi5"]["routes"]
    assert [r["ok"] for r in routes] == [None, None]
    assert all("ip is too old to say" in r["reason"] for r in routes)


def test_two_faults_are_two_problems(lab: Lab) -> None:
    lab.fault("forwarding-off", "mini3")
    lab.fault("return-route-missing", "mini2")
    assert errors(check(lab)) == {("forwarding-off", "mini3"), ("return-route-missing", "mini2")}
