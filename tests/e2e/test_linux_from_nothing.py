"""A Pi whose Ethernet nothing sets up yet gets its address and route for good, and loses them by
undo."""

from __future__ import annotations

import pytest

from fleetctl.lab import Lab
from tests.conftest import MakeLab
from tests.e2e.cluster import CONNECT_TIMEOUT_S, eventually, sh
from tests.e2e.guide import check, errors

pytestmark = pytest.mark.lab

FLEET = f"""\
fleet: nothing
networks:
  wifi: {{cidr: 192.168.1.0/24, kind: wifi, control: true}}
  far:  {{cidr: 10.10.0.0/24}}
  edge: {{cidr: 192.168.50.0/24}}
internet: null
defaults: {{ssh: {{connect_timeout: {CONNECT_TIMEOUT_S}}}}}
nodes:
  hub:
    addresses: {{wifi: 192.168.1.11, far: 10.10.0.1, edge: 192.168.50.1}}
    gateway: true
  end: {{addresses: {{wifi: 192.168.1.12, far: 10.10.0.2}}, via: {{edge: hub}}}}
  pi5: {{addresses: {{wifi: 192.168.1.25, edge: 192.168.50.2}}, via: {{far: hub}}}}
"""
BARE = {("address-missing", "pi5")}


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab) -> Lab:
    return make_lab(FLEET)


def fix(lab: Lab, *options: str) -> str:
    done = lab.run("controller", ["fleetctl", "fix", *options], timeout_s=60)
    assert done.returncode == 0, (done.stdout.decode(), done.stderr.decode())
    return done.stdout.decode()


def apply(lab: Lab) -> str:
    return fix(lab, "--apply", "--persistent", "--yes")


def reboot(lab: Lab) -> None:
    lab.fault("power-off", "pi5")
    lab.heal("power-off")


def root(lab: Lab, script: str) -> str:
    return sh(lab, "pi5", script, user="root")


def profiles(lab: Lab) -> set[str]:
    return {*sh(lab, "pi5", "nmcli -t -f NAME,DEVICE con show").splitlines()}


def test_without_a_profile_one_is_made(lab: Lab) -> None:
    root(lab, "nmcli con delete eth-static")
    before = profiles(lab)
    assert errors(check(lab)) == BARE

    assert "con-name fleetctl-edge " in apply(lab)
    assert check(lab)["problems"] == []
    assert profiles(lab) == {*before, "fleetctl-edge:eth0"}
    reboot(lab)
    eventually(lambda: check(lab)["problems"] == [], "it lasts over a reboot", timeout_s=20)
    assert "all is as nodes.yaml wants it" in apply(lab)

    fix(lab, "--undo", "--yes")
    assert profiles(lab) == before
    assert errors(check(lab)) == BARE
