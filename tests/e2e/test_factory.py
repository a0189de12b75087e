"""`fix` sets up nodes that have nothing but Wi-Fi, for good, and takes all of it back."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import pytest

from fleetctl.lab import Lab
from fleetctl.lab.programs.macos import services
from fleetctl.words.repairs import FOUND_NOW
from tests.conftest import MakeLab
from tests.e2e.cluster import eventually, sh
from tests.e2e.guide import GUIDE_MACS, TIMEOUT, check

pytestmark = pytest.mark.lab

PAIR = f"""\
fleet: pair
networks:
  wifi: {{cidr: 192.168.1.0/24, kind: wifi, control: true}}
  fabric: {{cidr: 10.10.0.0/24, kind: thunderbolt}}
internet: null
{TIMEOUT}
nodes:
  mini1:
    os: macos
    ssh: {{host: 192.168.1.11}}
    addresses: {{wifi: 192.168.1.11, fabric: 10.10.0.1}}
  mini2:
    os: macos
    ssh: {{host: 192.168.1.12}}
    addresses: {{wifi: 192.168.1.12, fabric: 10.10.0.2}}
"""
CHAIN = f"""\
fleet: chain
networks:
  wifi: {{cidr: 192.168.1.0/24, kind: wifi, control: true}}
  fabric: {{cidr: 10.10.0.0/24, kind: thunderbolt}}
  edge50: {{cidr: 192.168.50.0/24, kind: ethernet}}
  edge51: {{cidr: 192.168.51.0/24, kind: ethernet}}
internet: null
{TIMEOUT}
nodes:
  mini1:
    os: macos
    ssh: {{host: 192.168.1.11}}
    addresses: {{wifi: 192.168.1.11, fabric: 10.10.0.1, edge50: 192.168.50.1}}
    gateway: true
  mini2:
    os: macos
    ssh: {{host: 192.168.1.12}}
    addresses: {{wifi: 192.168.1.12, fabric: 10.10.0.2, edge51: 192.168.51.1}}
    interfaces: {{edge51: en7}}
    gateway: true
  mini3:
    os: macos
    ssh: {{host: 192.168.1.13}}
    addresses: {{wifi: 192.168.1.13, edge50: 192.168.50.2}}
    interfaces: {{edge50: en0}}
    via: {{fabric: mini1}}
  mini4:
    os: macos
    ssh: {{host: 192.168.51.2, proxy_jump: mini2}}
    addresses: {{edge51: 192.168.51.2}}
    interfaces: {{edge51: en0}}
    gateway: true
"""
"""mini4 has no Wi-Fi: the only way to it is through mini2, once that has its address."""


def fix(lab: Lab, *options: str) -> str:
    done = lab.run("controller", ["fleetctl", "fix", *options], timeout_s=150)
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    assert done.returncode == (0 if "--yes" in options else 1), done.stdout + done.stderr
    return done.stdout.decode()


def network(lab: Lab, *nodes: str) -> dict[str, str]:
    """Of each node: what it has now, and what its disk brings at boot."""
    told = (
        "ifconfig | grep -e flags -e 'inet '; netstat -rn -f inet | grep -v UHLW; "
        f"sysctl net.inet.ip.forwarding; ls /Library/LaunchDaemons; cat {services.FILE}"
    )
    return {node: sh(lab, node, told) for node in nodes}


def reboot(lab: Lab, nodes: Sequence[str]) -> None:
    for node in nodes:
        lab.fault("power-off", node)
    lab.heal("power-off")


def test_two_macs_get_their_addresses_for_good_and_lose_them_again(make_lab: MakeLab) -> None:
    lab = make_lab(PAIR, factory=True)
    sh(lab, "mini2", "networksetup -removenetworkservice 'Thunderbolt Bridge'", user="root")
    sh(lab, "mini2", "ifconfig bridge0 up", user="root")
    before = network(lab, "mini1", "mini2")
    said = fix(lab, "--apply", "--persistent", "--yes")
    assert "mini2: sudo networksetup -createnetworkservice 'fabric bridge0' bridge0 done" in said
    assert said.endswith("all is as nodes.yaml wants it\n")
    for node, own in (("mini1", "10.10.0.1"), ("mini2", "10.10.0.2")):
        now = network(lab, node)[node]
        assert f"inet {own} netmask 0xffffff00" in now
        assert f"\tbridge0\ton\tmanual\t{own}\t255.255.255.0\t\t\n" in now
    fix(lab, "--undo", "--yes")
    assert network(lab, "mini1", "mini2") == before


@pytest.mark.long  # minutes
def test_macs_behind_macs_are_set_up_rebooted_and_set_back(make_lab: MakeLab) -> None:
    lab = make_lab(CHAIN, factory=True)
    nodes = ("mini1", "mini2", "mini3", "mini4")
    sh(lab, "mini2", "networksetup -removenetworkservice 'Thunderbolt Bridge'", user="root")
    sh(lab, "mini3", "networksetup -setnetworkserviceenabled Ethernet off", user="root")
    reboot(lab, nodes)
    before = network(lab, *nodes)

    shown = fix(lab, "--persistent")
    assert "mini4 is reached through mini2: once that is repaired, it is asked again" in shown
    said = fix(lab, "--apply", "--persistent", "--yes")
    assert said.endswith("all is as nodes.yaml wants it\n")
    announced = set(re.findall(r"^  on (\w+): (.*)$", shown, re.M))
    done = set(re.findall(r"^● (\w+): (.*) done$", said, re.M))
    assert announced == {(node, command) for node, command in done if node != "mini4"}
    assert (
        "mini4: sudo sysctl -w net.inet.ip.forwarding=1 done" in said.partition(FOUND_NOW.text)[2]
    )
    assert check(lab)["problems"] == []
    after = network(lab, *nodes)
    assert "done" not in fix(lab, "--apply", "--persistent", "--yes")
    assert network(lab, *nodes) == after

    reboot(lab, nodes)
    eventually(lambda: check(lab)["problems"] == [], "it lasts over a reboot", timeout_s=30)

    lab.fault("power-off", "mini4")
    cut = lab.run("controller", ["fleetctl", "fix", "--undo", "--yes"], timeout_s=150)
    assert cut.returncode == 1
    assert (
        "mini2 is left as it is: mini4, reached through it, could not be set back first"
        in cut.stderr.decode()
    )
    lab.heal("power-off")
    fix(lab, "--undo", "--yes")
    assert network(lab, *nodes) == before
    reboot(lab, nodes)
    assert network(lab, *nodes) == before
    nothing = lab.run("controller", ["fleetctl", "fix", "--undo", "--yes", "--json"])
    assert json.loads(nothing.stdout)["undone"] == []


@pytest.mark.long  # minutes
def test_the_shipped_cluster_is_set_up_rebooted_and_set_back(make_lab: MakeLab) -> None:
    lab = make_lab(GUIDE_MACS, factory=True)
    nodes = ("mini1", "mini2", "mini3", "pi5", "pi4")
    shown = fix(lab, "--persistent")
    said = fix(lab, "--apply", "--persistent", "--yes")
    assert said.count(FOUND_NOW.text) == 1  # addresses, then routes
    assert check(lab)["problems"] == []
    reboot(lab, nodes)
    eventually(lambda: check(lab)["problems"] == [], "it lasts over a reboot", timeout_s=30)
    fix(lab, "--undo", "--yes")
    reboot(lab, nodes)
    assert fix(lab, "--persistent") == shown
