"""check on the shipped cluster of Macs and Pis: faults are named, repaired, undone and healed."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from fleetctl.lab import Lab
from tests.conftest import MakeLab
from tests.e2e.cluster import CONNECT_TIMEOUT_S, eventually
from tests.lab.fleets import GUIDE

pytestmark = pytest.mark.lab

TIMEOUT = f"defaults: {{ssh: {{connect_timeout: {CONNECT_TIMEOUT_S}}}}}\n"
GUIDE_MACS = re.sub(r"(  mini\d:\n)", r"\1    os: macos\n", GUIDE) + TIMEOUT
BUSY_S = 4.0
"""How long a check of this cluster may take on a busy machine, besides its waits."""

Errors = set[tuple[str, str | None]]


@pytest.fixture(scope="module")
def guide(make_lab: MakeLab) -> Lab:
    """The shipped cluster, without faults."""
    return make_lab(GUIDE_MACS)


@pytest.fixture
def lab(guide: Lab) -> Iterator[Lab]:
    """Healthy again after each test, which a check confirms."""
    yield guide
    guide.heal()
    eventually(lambda: check(guide)["problems"] == [], "all is well again", timeout_s=20)


def check(lab: Lab) -> dict[str, Any]:
    """``check --json``, decoded; its exit code must say whether it is healthy."""
    done = lab.run("controller", ["fleetctl", "check", "--json"], timeout_s=45)
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    decoded: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if decoded["healthy"] else 1)
    return decoded


def errors(status: dict[str, Any]) -> Errors:
    return {(p["code"], p["node"]) for p in status["problems"] if p["severity"] == "error"}


def test_a_healthy_fleet_yields_nothing_and_is_checked_quickly(lab: Lab) -> None:
    began = time.monotonic()
    status = check(lab)
    assert time.monotonic() - began < 3.0 + BUSY_S
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


REPAIRED = [
    ("forwarding-off", "mini1", "forwarding-off"),
    ("route-missing", "pi5", "route-missing"),
    ("wrong-gateway", "pi4", "route-wrong-gateway"),
    ("return-route-missing", "mini2", "return-route-missing"),
    ("detour", "mini2", "route-wrong-interface"),
    ("detour", "pi5", "route-wrong-interface"),
    ("default-route-stolen", "mini3", "default-route-stolen"),
    ("default-route-stolen", "pi5", "default-route-stolen"),
    ("address-missing", "mini2", "address-missing"),
    ("address-missing", "pi4", "address-missing"),
    ("wrong-prefix", "mini2", "address-wrong-prefix"),
    ("wrong-prefix", "pi4", "address-wrong-prefix"),
    ("twin-address", "mini1", "address-duplicate"),
    ("twin-address", "pi5", "address-duplicate"),
]
BY_HAND = [
    ("power-off", "mini3", ("ssh-timeout", "ssh-unreachable")),
    ("wifi-down", "mini1", ("ssh-timeout", "ssh-unreachable")),
    ("sshd-hang", "pi5", ("ssh-hung",)),
    ("fabric-down", "mini2", ("interface-down",)),
    ("edge-down", "pi4", ("interface-down",)),
    ("vpn-route", "mini1", ("route-wrong-interface",)),
    ("vpn-route", "pi4", ("route-wrong-interface",)),
    ("tmux-missing", "mini2", ("tmux-missing",)),
    ("disk-full", "pi5", ("disk-full",)),
    ("host-key-changed", "mini2", ("ssh-host-key-changed",)),
    ("key-revoked", "pi4", ("ssh-auth-failed",)),
]


@pytest.mark.parametrize(("kind", "node", "code"), REPAIRED)
def test_a_fault_is_named_repaired_once_and_brought_back(
    lab: Lab, kind: str, node: str, code: str
) -> None:
    lab.fault(kind, node)
    before = check(lab)
    assert errors(before) == {(code, node)}
    (problem,) = [p for p in before["problems"] if p["severity"] == "error"]
    assert problem["fix"]["on"] == node

    fixed = lab.run("controller", ["fleetctl", "fix", "--apply", "--yes"], timeout_s=60)
    assert fixed.returncode == 0, (fixed.stdout.decode(), fixed.stderr.decode())
    assert check(lab)["problems"] == []
    again = lab.run("controller", ["fleetctl", "fix", "--apply", "--yes"], timeout_s=60)
    assert again.returncode == 0
    undone = lab.run("controller", ["fleetctl", "fix", "--undo", "--yes"], timeout_s=60)
    assert undone.returncode == 0, (undone.stdout.decode(), undone.stderr.decode())
    assert errors(check(lab)) == {(code, node)}


@pytest.mark.parametrize(("kind", "node", "codes"), BY_HAND)
def test_a_fault_that_needs_hands_is_named_in_time(
    lab: Lab, kind: str, node: str, codes: tuple[str, ...]
) -> None:
    lab.fault(kind, node)
    began = time.monotonic()
    found = errors(check(lab))
    assert time.monotonic() - began < CONNECT_TIMEOUT_S + 1 + BUSY_S
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


def test_as_the_guide_says_return_routes_are_missing_and_are_repaired(make_lab: MakeLab) -> None:
    lab = make_lab(GUIDE_MACS, as_guide=True)
    found = check(lab)
    assert {(p["code"], p["node"], tuple(p["affects"])) for p in found["problems"]} == {
        ("return-route-missing", "mini1", ("pi4",)),
        ("return-route-missing", "mini2", ("pi5", "pi4")),
        ("return-route-missing", "mini3", ("pi5",)),
    }
    shown = lab.run("controller", ["fleetctl", "fix"], timeout_s=60)
    assert b"route -n add -net 192.168.51.0/24 10.10.0.3" in shown.stdout
    assert check(lab)["problems"] == found["problems"]  # showing changes nothing
    fixed = lab.run("controller", ["fleetctl", "fix", "--apply", "--yes"], timeout_s=60)
    assert fixed.returncode == 0, fixed.stderr.decode()
    end = fixed.stdout.decode().splitlines()[-1]
    assert end == "gone at the next boot; to keep it: fleetctl fix --apply --persistent"
    left = check(lab)["problems"]
    assert {(p["code"], p["node"], p["severity"]) for p in left} == {
        ("route-not-persistent", f"mini{number}", "warning") for number in (1, 2, 3)
    }
    kept = lab.run(
        "controller", ["fleetctl", "fix", "--apply", "--persistent", "--yes"], timeout_s=60
    )
    assert kept.returncode == 0, kept.stderr.decode()
    assert check(lab)["problems"] == []
    for node in ("mini1", "mini2", "mini3"):
        lab.fault("power-off", node)
    lab.heal()
    eventually(lambda: check(lab)["problems"] == [], "it lasts over a reboot", timeout_s=20)


@pytest.mark.parametrize("node", ["mini2", "pi4"])
def test_what_the_next_boot_brings_instead_is_told_and_is_so(lab: Lab, node: str) -> None:
    lab.fault("address-not-persistent", node)
    lab.fault("route-not-persistent", node)
    status = check(lab)
    codes = {"address-not-persistent", "route-not-persistent"}
    assert {(p["code"], p["node"]) for p in status["problems"]} == {(c, node) for c in codes}
    told = status["nodes"][node]
    [row] = [row for row in told["addresses"] if row["persistent"] is False]
    assert row["ok"] is True
    lab.fault("power-off", node)
    lab.heal("power-off")
    eventually(
        lambda: ("address-missing", node) in errors(check(lab)), "it came true", timeout_s=20
    )
    instead = row["persistent_reason"].rpartition(" ")[2].partition("/")[0]
    [problem] = [p for p in check(lab)["problems"] if p["code"] == "address-missing"]
    assert f"(it has {instead} there)" in problem["summary"]
    lab.heal()
    lab.fault("power-off", node)  # what is written down again comes with the next boot


@pytest.mark.parametrize("node", ["mini2", "pi4"])
def test_what_is_not_written_down_is_written_down(lab: Lab, node: str) -> None:
    lab.fault("address-not-persistent", node)
    lab.fault("route-not-persistent", node)
    fixed = lab.run(
        "controller", ["fleetctl", "fix", "--apply", "--persistent", "--yes"], timeout_s=60
    )
    assert fixed.returncode == 0, (fixed.stdout.decode(), fixed.stderr.decode())
    assert check(lab)["problems"] == []
    lab.fault("power-off", node)
    lab.heal("power-off")
    eventually(lambda: check(lab)["problems"] == [], "it lasts over a reboot", timeout_s=20)
