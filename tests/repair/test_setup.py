"""The real script that asks for a node's setup, with fake tools that print recorded output."""

from __future__ import annotations

import os
import subprocess
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.model.setup import NetworkService, NetworkSetup, Profile, ProfileRoute, ServiceRoute
from fleetctl.probes.setup import read_setup, setup_script, with_managers

UUID, WIFI = "ff0105dc-9593-4086-994f-97ae65055201", "7e0352de-5006-4359-8113-805499f1b390"

NMCLI = f"""case "$*" in
"-t -f NAME,UUID,TYPE,DEVICE connection show") cat <<'EOF'
Warning: nmcli (1.42.4) and NetworkManager (1.42.0) versions don't match.
Home\\: Net:{WIFI}:802-11-wireless:wlan0
eth-static:{UUID}:802-3-ethernet:
EOF
;;
"-t -f UUID connection show") printf '%s\\n' {WIFI} {UUID} ;;
"-t -f 802-11-wireless.powersave connection show {WIFI}") echo '802-11-wireless.powersave:3' ;;
*" connection show {WIFI}") cat <<'EOF'
connection.interface-name:
connection.autoconnect:yes
connection.autoconnect-priority:-999
ipv4.method:auto
ipv4.addresses:
ipv4.routes:
ipv4.never-default:no
EOF
;;
*" connection show {UUID}") cat <<'EOF'
connection.interface-name:eth0
connection.autoconnect:no
ipv4.method:manual
ipv4.addresses:192.168.50.2/24, 10.1.0.2/24
ipv4.routes:10.10.0.0/24 192.168.50.1, 172.16.0.0/12 192.168.50.9 50
ipv4.never-default:yes
EOF
;;
*) echo "Error: Object '$*' is unknown" >&2; exit 2 ;; esac
"""

NETWORKSETUP = """cat >/dev/null # as a program that reads on would
case "$1 $2" in
"-listnetworkserviceorder ") cat <<'EOF'
An asterisk (*) denotes that a network service is disabled.
(1) Wi-Fi
(Hardware Port: Wi-Fi, Device: en1)

(*) It's "odd" $HOME
(Hardware Port: Thunderbolt Bridge, Device: bridge0)

EOF
;;
"-listallnetworkservices ") cat <<'EOF'
An asterisk (*) denotes that a network service is disabled.
Wi-Fi
*It's "odd" $HOME
EOF
;;
"-getinfo Wi-Fi") printf 'DHCP Configuration\\nIP address: 192.168.1.11\\n'
    printf 'Subnet mask: 255.255.255.0\\nRouter: 192.168.1.1\\nWi-Fi ID: f8:1e:df:e8:46:66\\n' ;;
"-getadditionalroutes Wi-Fi") echo 'There are no additional IPv4 routes on Wi-Fi.' ;;
"-getinfo It's \\"odd\\" "*) printf 'Manual Configuration\\nIP address: 10.10.0.1\\n'
    printf 'Subnet mask: 255.255.255.0\\nRouter: (null)\\n' ;;
"-getadditionalroutes It's \\"odd\\" "*) echo '192.168.51.0 255.255.255.0 10.10.0.3' ;;
*) echo '** Error: The parameters were not valid.'; exit 4 ;; esac
"""


def asked(folder: Path, stubs: dict[str, str]) -> NetworkSetup:
    """The setup that the script finds with ``stubs`` first in PATH."""
    for name, text in stubs.items():
        path = folder / name
        path.write_text(f"#!/bin/sh\n{text}")
        path.chmod(0o755)
    script = setup_script()
    env = {**os.environ, "PATH": f"{folder}:/usr/bin:/bin"}
    done = subprocess.run(["sh", "-c", script.text], capture_output=True, text=True, env=env)
    return read_setup(script, done.stdout)


def test_profiles_of_network_manager(tmp_path: Path) -> None:
    setup = asked(tmp_path, {"nmcli": NMCLI})
    assert setup.unknown == {}
    assert setup.services is None
    assert setup.profiles == (
        Profile(WIFI, "Home: Net", "wlan0", priority=-999, method="auto", power_save=3),
        Profile(
            UUID,
            "eth-static",
            None,
            "eth0",
            autoconnect=False,
            method="manual",
            addresses=("192.168.50.2/24", "10.1.0.2/24"),
            routes=(
                ProfileRoute(
                    IPv4Network("10.10.0.0/24"),
                    IPv4Address("192.168.50.1"),
                    "10.10.0.0/24 192.168.50.1",
                ),
                ProfileRoute(
                    IPv4Network("172.16.0.0/12"),
                    IPv4Address("192.168.50.9"),
                    "172.16.0.0/12 192.168.50.9 50",
                ),
            ),
            never_default=True,
        ),
    )


@pytest.mark.parametrize(
    ("nmcli", "said"),
    [
        ("echo 'Error: NetworkManager is not running.' >&2; exit 8", "is not running"),
        ("exit 1", "there is no NetworkManager"),
        ("echo rubbish", "rubbish"),
        (NMCLI.replace("connection.interface-name:eth0", "Error: timeout 90 expired"), "timeout"),
    ],
)
def test_profiles_that_cannot_be_read(tmp_path: Path, nmcli: str, said: str) -> None:
    setup = asked(tmp_path, {"nmcli": nmcli})
    assert setup.profiles is None
    assert said in setup.unknown["profiles"]


def test_a_profile_that_is_not_on_the_disk(tmp_path: Path) -> None:
    """NetworkManager makes one of addresses that were set by other means; netplan's are kept."""
    files = f"printf '%s\\n' {UUID}:/run/NetworkManager/system-connections/eth0.nmconnection"
    files += f" {WIFI}:/run/NetworkManager/system-connections/netplan-wlan0.nmconnection"
    case = f'case "$*" in\n"-t -f UUID,FILENAME connection show") {files} ;;\n'
    said = "echo eth0:unmanaged:ethernet; echo wlan0:connected:wifi"
    case += f'"-t -f DEVICE,STATE,TYPE device") {said} ;;\n'
    setup = asked(tmp_path, {"nmcli": NMCLI.replace('case "$*" in\n', case)})
    assert setup.profiles
    assert {p.uuid: p.volatile for p in setup.profiles} == {WIFI: False, UUID: True}
    assert setup.devices == {"eth0": "unmanaged", "wlan0": "connected"}
    assert setup.types == {"eth0": "ethernet", "wlan0": "wifi"}


def test_what_others_than_network_manager_set_up() -> None:
    text = (
        "\x1enetworkd eth0 /etc/systemd/network/e.network\n[Network]\nAddress=10.0.0.2/24\n"
        "\x1enetworkd eth1 /run/systemd/network/10-netplan-eth1.network\n"
        "cat: /run/systemd/network/10-netplan-eth1.network: Permission denied\n"
        "\x1edhcpcd\ninterface eth3\nstatic ip_address=10.0.3.2/24\n"
        "\x1eifupdown\nauto eth0 eth2\niface eth0 inet dhcp\niface eth2 inet dhcp\n"
        "\x1einterface eth0\n\x1einterface eth2\n\x1einterface eth3\n\x1einterface lo\n"
    )
    found = with_managers(NetworkSetup(), text).interfaces
    assert {name: own.manager for name, own in found.items()} == {
        "eth0": "systemd-networkd",
        "eth1": "systemd-networkd",
        "eth2": "ifupdown",
        "eth3": "dhcpcd",
    }
    assert found["eth0"].addresses == (IPv4Interface("10.0.0.2/24"),)
    assert found["eth0"].where == "/etc/systemd/network/e.network"
    assert found["eth1"].unknown.endswith("Permission denied")
    assert found["eth3"].addresses == (IPv4Interface("10.0.3.2/24"),)


def test_services_of_macos(tmp_path: Path) -> None:
    stubs = {
        "uname": "echo Darwin mini1 arm64",
        "networksetup": NETWORKSETUP,
        "pmset": "printf 'System-wide power settings:\\nCurrently in use:\\n'\n"
        "printf ' disksleep            10\\n sleep                1 (sleep prevented by x)\\n'",
    }
    setup = asked(tmp_path, stubs)
    assert setup.unknown == {}
    assert setup.profiles is None
    mask = IPv4Address("255.255.255.0")
    back = ServiceRoute(IPv4Network("192.168.51.0/24"), IPv4Address("10.10.0.3"))
    assert setup.services == (
        NetworkService(
            "Wi-Fi",
            True,
            "en1",
            "dhcp",
            IPv4Address("192.168.1.11"),
            mask,
            IPv4Address("192.168.1.1"),
            (),
            "Wi-Fi",
        ),
        NetworkService(
            'It\'s "odd" $HOME',
            False,
            "bridge0",
            "manual",
            IPv4Address("10.10.0.1"),
            mask,
            None,
            (back,),
            "Thunderbolt Bridge",
        ),
    )
    assert (setup.sleep_minutes, setup.disk_sleep_minutes) == (1, 10)
    assert setup.daemon is None


def test_routes_of_a_service_that_cannot_be_read_are_unknown(tmp_path: Path) -> None:
    broken = NETWORKSETUP.replace("There are no additional IPv4 routes on Wi-Fi.", "odd")
    setup = asked(tmp_path, {"uname": "echo Darwin mini1 arm64", "networksetup": broken})
    assert setup.services is not None
    assert [s.routes is None for s in setup.services] == [True, False]


@pytest.mark.parametrize(
    ("printed", "text", "unknown"),
    [
        ("absent", None, False),
        ("present", "", False),
        ("present\nnet.ipv4.ip_forward = 1", "net.ipv4.ip_forward = 1\n", False),
        ("present\n\n# a\n", "\n# a\n\n", False),
        ("present\ncat: /etc/sysctl.d/90-fleet.conf: Permission denied", None, True),
    ],
)
def test_the_file_of_kernel_settings(printed: str, text: str | None, unknown: bool) -> None:
    script = setup_script()
    status = 1 if unknown else 0
    output = (
        f"Linux pi5 aarch64\n\x1e{script.token} uname 0\n"
        f"{printed}\n\x1e{script.token} boot {status}\n"
    )
    setup = read_setup(script, output)
    assert setup.sysctl == text
    assert ("sysctl" in setup.unknown) is unknown


@given(st.sampled_from(["Linux", "Darwin"]), st.lists(st.text(max_size=60), max_size=6))
def test_any_output_of_a_node_is_read_or_unknown(os_name: str, texts: list[str]) -> None:
    script = setup_script()
    names = ["connections", "boot", "power"]
    frames = "".join(
        f"{text}\n\x1e{script.token} {name} 0\n" for text, name in zip(texts, names, strict=False)
    )
    setup = read_setup(script, f"{os_name} n m\n\x1e{script.token} uname 0\n{frames}")
    assert isinstance(setup, NetworkSetup)
