"""Linux machines as they come out of their boxes get their addresses and routes for good, whatever
sets up their interfaces, and lose them by undo."""

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
    interfaces: {{far: eth0, edge: eth1}}
    gateway: true
  end: {{addresses: {{wifi: 192.168.1.12, far: 10.10.0.2}}, via: {{edge: hub}}}}
  pi5: {{addresses: {{wifi: 192.168.1.25, edge: 192.168.50.2}}, via: {{far: hub}}}}
"""
BARE = {("address-missing", "pi5")}


def fix(lab: Lab, *options: str) -> str:
    done = lab.run("controller", ["fleetctl", "fix", *options], timeout_s=60)
    assert done.returncode == 0, (done.stdout.decode(), done.stderr.decode())
    return done.stdout.decode()


def apply(lab: Lab) -> str:
    return fix(lab, "--apply", "--persistent", "--yes")


def root(lab: Lab, script: str) -> str:
    return sh(lab, "pi5", script, user="root")


def profiles(lab: Lab) -> set[str]:
    return {*sh(lab, "pi5", "nmcli -t -f NAME,DEVICE con show").splitlines()}


@pytest.mark.long  # 50 s
def test_without_profiles_they_are_made(make_lab: MakeLab) -> None:
    lab = make_lab(FLEET, factory=True)
    before = profiles(lab)
    assert before == {"Wired connection 1:eth0", "preconfigured:wlan0"}
    out_of_the_box = errors(check(lab))
    assert ("address-missing", "pi5") in out_of_the_box

    assert "con-name fleetctl-edge " in apply(lab)
    assert check(lab)["problems"] == []
    assert profiles(lab) == {"Wired connection 1:", "preconfigured:wlan0", "fleetctl-edge:eth0"}
    for node in ("hub", "end", "pi5"):
        lab.fault("power-off", node)
    lab.heal("power-off")
    eventually(lambda: check(lab)["problems"] == [], "it lasts over a reboot", timeout_s=20)
    assert "all is as nodes.yaml wants it" in apply(lab)

    fix(lab, "--undo", "--yes")
    assert {name.partition(":")[0] for name in profiles(lab)} == {"preconfigured"}
    lab.fault("power-off", "pi5")
    lab.heal("power-off")
    eventually(lambda: profiles(lab) == before, "as before")
    assert errors(check(lab)) == out_of_the_box


NETWORKD = """\
nmcli con delete eth-static
mkdir -p /run/systemd/netif/links /etc/systemd/network
printf 'NETWORK_FILE=%s\\nADMIN_STATE=configuring\\n' /etc/systemd/network/{file} \\
    >/run/systemd/netif/links/$(cat /sys/class/net/eth0/ifindex)
printf '[Match]\\nName={match}\\n\\n[Network]\\nDHCP=yes\\n' >/etc/systemd/network/{file}
"""
DHCPCD = """\
nmcli con delete eth-static
mkdir -p /run/dhcpcd && echo 1 >/run/dhcpcd/pid
printf 'hostname\\n\\ninterface wlan0\\n# end\\n' >/etc/dhcpcd.conf
"""
SEEN = "cat /etc/dhcpcd.conf /etc/systemd/network/*.network; ls -R /etc/systemd/network; true"


@pytest.mark.long  # 15 s each
@pytest.mark.parametrize(
    ("scene", "written"),
    [
        (NETWORKD.format(file="eth0.network", match="eth0"),
         "/etc/systemd/network/eth0.network.d/fleetctl.conf"),
        (NETWORKD.format(file="20-wired.network", match="e*"),
         "/etc/systemd/network/05-fleetctl-eth0.network"),
        (DHCPCD, "/etc/dhcpcd.conf"),
    ],
)  # fmt: skip
def test_other_managers_get_their_files(make_lab: MakeLab, scene: str, written: str) -> None:
    lab = make_lab(FLEET)
    root(lab, scene)
    before = root(lab, SEEN)
    assert errors(check(lab)) == BARE
    apply(lab)
    assert check(lab)["problems"] == []
    told = check(lab)["nodes"]["pi5"]
    assert {a["persistent"] for a in told["addresses"] if a["network"] == "edge"} == {True}
    text = root(lab, f"cat {written}")
    assert "192.168.50.2/24" in text
    assert "10.10.0.0/24" in text
    assert "all is as nodes.yaml wants it" in apply(lab)
    fix(lab, "--undo", "--yes")
    assert root(lab, SEEN).rstrip() == before.rstrip()
    assert errors(check(lab)) == BARE
