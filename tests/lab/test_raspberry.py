"""NetworkManager's profiles and firmware values on the lab's Pis, and their real effect."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import pytest

from fleetctl.lab import Lab
from tests.conftest import MakeLab
from tests.lab.fleets import SMALL
from tests.lab.observe import answers, eventually, ssh

pytestmark = pytest.mark.lab

PI5 = "pi@192.168.1.25"
ETH = "eth-static"


@pytest.fixture(scope="module")
def built(make_lab: MakeLab) -> Lab:
    return make_lab(SMALL)


@pytest.fixture
def lab(built: Lab) -> Iterator[Lab]:
    yield built
    built.heal()


def on(lab: Lab, command: str) -> subprocess.CompletedProcess[bytes]:
    return ssh(lab, PI5, f"PATH=$PATH:/usr/sbin; {command}")


def out(lab: Lab, command: str) -> str:
    done = on(lab, command)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def power_cycle(lab: Lab) -> None:
    lab.fault("power-off", "pi5")
    lab.heal("power-off")


class TestProfiles:
    def test_what_is_shown(self, lab: Lab) -> None:
        rows = out(lab, "nmcli -t -f NAME,TYPE,DEVICE con show").splitlines()
        assert rows == [f"{ETH}:802-3-ethernet:eth0", "preconfigured:802-11-wireless:wlan0"]
        fields = "ipv4.method,ipv4.addresses,ipv4.routes,ipv4.never-default"
        assert out(lab, f"nmcli -t -f {fields} con show {ETH}") == (
            "ipv4.method:manual\nipv4.addresses:192.168.50.2/24\n"
            "ipv4.routes:10.10.0.0/24 192.168.50.1\nipv4.never-default:yes\n"
        )
        assert out(lab, f"nmcli -g ipv4.routes con show {ETH}") == "10.10.0.0/24 192.168.50.1\n"
        assert out(lab, "nmcli -t device status").splitlines()[:2] == [
            "wlan0:wifi:connected:preconfigured",
            f"eth0:ethernet:connected:{ETH}",
        ]
        assert out(lab, "nmcli -t -f ACTIVE,SSID dev wifi") == "yes:Home\n"
        missing = on(lab, "nmcli con show nope")
        assert (missing.returncode, missing.stderr) == (10, b"Error: unknown connection 'nope'.\n")
        assert on(lab, "nmcli dev show eth9").returncode == 10

    def test_a_route_of_a_profile_is_the_kernels_and_lasts(self, lab: Lab) -> None:
        route = '"10.99.0.0/24 192.168.50.1"'
        out(lab, f"sudo nmcli con mod {ETH} +ipv4.routes {route}")
        assert "10.99.0.0/24" not in out(lab, "ip route")  # only with the next activation
        assert "successfully activated" in out(lab, f"sudo nmcli con up {ETH}")
        assert "10.99.0.0/24 via 192.168.50.1 dev eth0" in out(lab, "ip route")
        power_cycle(lab)
        assert "10.99.0.0/24 via 192.168.50.1 dev eth0" in out(lab, "ip route")
        out(lab, f"sudo nmcli con mod {ETH} +ipv4.routes {route}")  # once more changes nothing
        assert out(lab, f"nmcli -g ipv4.routes con show {ETH}").count("10.99") == 1
        out(lab, f"sudo nmcli con mod {ETH} -ipv4.routes {route}; sudo nmcli con up {ETH}")
        assert "10.99.0.0/24" not in out(lab, "ip route")
        assert answers(lab, "pi5", "10.10.0.2")

    def test_a_route_that_no_profile_has_is_gone_after_a_boot(self, lab: Lab) -> None:
        out(lab, "sudo ip route add 10.98.0.0/24 via 192.168.50.1")
        power_cycle(lab)
        assert "10.98" not in out(lab, "ip route")

    def test_down_takes_the_addresses_away(self, lab: Lab) -> None:
        out(lab, f"sudo nmcli con down {ETH}")
        assert "192.168.50.2" not in out(lab, "ip -4 address")
        assert "eth0:ethernet:disconnected:" in out(lab, "nmcli -t device status")
        assert on(lab, f"sudo nmcli con down {ETH}").returncode == 10
        out(lab, f"sudo nmcli con up {ETH}")
        assert answers(lab, "pi5", "10.10.0.2")

    def test_the_guides_recipe_makes_a_second_profile(self, lab: Lab) -> None:
        add = (
            f"sudo nmcli con add type ethernet ifname eth0 con-name {ETH} ipv4.method manual "
            "ipv4.addresses 192.168.50.2/24 ipv4.never-default yes"
        )
        said = out(lab, add)
        assert "Warning: There is another connection with the name" in said
        twin = re.findall(r"\(([0-9a-f-]{36})\) successfully added", said)[0]
        assert out(lab, "nmcli -t -f NAME con show").splitlines().count(ETH) == 2
        out(lab, f"sudo nmcli con mod {ETH} ipv4.route-metric 77")  # the first one only
        assert out(lab, f"nmcli -g ipv4.route-metric con show {twin}") == "-1\n"
        out(lab, f"sudo nmcli con up uuid {twin}")
        assert "10.10.0.0/24" not in out(lab, "ip route")  # the route is the first one's
        power_cycle(lab)
        assert "10.10.0.0/24" not in out(lab, "ip route")  # the one that was up last
        out(lab, f"sudo nmcli con delete {twin}; sudo nmcli con mod {ETH} ipv4.route-metric ''")
        out(lab, f"sudo nmcli con up {ETH}")
        assert answers(lab, "pi5", "10.10.0.2")

    def test_a_port_without_a_profile_asks_a_dhcp_server(self, lab: Lab) -> None:
        auto = "Wired connection 1"
        out(lab, f"sudo nmcli con delete {ETH}")
        gone = on(lab, f"sudo nmcli con delete {ETH}")
        assert (gone.returncode, gone.stderr.decode().splitlines()[-1]) == (
            10,
            f"Error: cannot delete unknown connection(s): '{ETH}'.",
        )
        power_cycle(lab)
        shown = "nmcli -t -f NAME,DEVICE,AUTOCONNECT-PRIORITY,FILENAME con show"
        assert f"{auto}:eth0:-999:/run/" in out(lab, shown)
        said = out(
            lab,
            f"sudo nmcli con add type ethernet ifname eth0 con-name {ETH} ipv4.method manual "
            "ipv4.addresses 192.168.50.2/24 ipv4.never-default yes "
            "ipv4.routes '10.10.0.0/24 192.168.50.1' ipv6.method link-local "
            "connection.autoconnect yes connection.autoconnect-priority 10",
        )
        assert re.fullmatch(rf"Connection '{ETH}' \([0-9a-f-]{{36}}\) successfully added\.\n", said)
        assert f"{auto}:eth0:-999:/run/" in out(lab, shown)  # it goes on using the other one
        out(lab, f"sudo nmcli -w 20 con up id {ETH}")
        assert answers(lab, "pi5", "10.10.0.2")
        out(lab, f"sudo nmcli con mod '{auto}' connection.autoconnect no")
        assert f"{auto}::-999:/etc/" in out(lab, shown)  # what is changed is kept
        out(lab, f"sudo nmcli con delete '{auto}'")

    def test_only_root_changes(self, lab: Lab) -> None:
        for command in (f"con mod {ETH} ipv4.method auto", f"con up {ETH}", f"con delete {ETH}"):
            assert on(lab, f"nmcli {command}").returncode in (1, 4), command
        assert on(lab, f"sudo nmcli con mod {ETH} ipv4.routes 10.1.2.300/24").returncode == 2
        assert on(lab, f"sudo nmcli con mod {ETH} ipv4.nonsense 1").returncode == 2

    def test_colons_and_backslashes_are_escaped(self, lab: Lab) -> None:
        out(lab, "sudo nmcli con mod preconfigured connection.id 'Home: Net\\'")
        assert "Home\\: Net\\\\:wlan0" in out(lab, "nmcli -t -f NAME,DEVICE con show")
        out(lab, "sudo nmcli con mod 'Home: Net\\' connection.id preconfigured")


class TestPower:
    def test_wifi_power_save(self, lab: Lab) -> None:
        show = "iw dev wlan0 get power_save"
        assert out(lab, show) == "Power save: off\n"
        assert on(lab, "iw dev wlan0 set power_save on").returncode != 0
        out(lab, "sudo iw dev wlan0 set power_save on")
        assert out(lab, show) == "Power save: on\n"
        power_cycle(lab)
        assert out(lab, show) == "Power save: off\n"  # as the profile has it
        lab.fault("sleep-enabled", "pi5")
        assert out(lab, show) == "Power save: on\n"
        power_cycle(lab)
        assert out(lab, show) == "Power save: on\n"
        out(lab, "sudo nmcli con mod preconfigured 802-11-wireless.powersave 2")
        out(lab, "sudo nmcli con up preconfigured")
        assert out(lab, show) == "Power save: off\n"
        assert on(lab, "iw dev eth0 get power_save").returncode != 0

    def test_under_voltage(self, lab: Lab) -> None:
        assert out(lab, "vcgencmd get_throttled; vcgencmd measure_temp") == (
            "throttled=0x0\ntemp=47.2'C\n"
        )
        lab.fault("undervoltage", "pi5")
        power_cycle(lab)
        assert out(lab, "vcgencmd get_throttled") == "throttled=0x50005\n"
        lab.heal()
        assert out(lab, "vcgencmd get_throttled") == "throttled=0x0\n"


class TestSettings:
    def test_a_linux_gateway_forwards_after_a_boot_because_a_file_says_so(self, lab: Lab) -> None:
        file = lab.path("mini1", "/etc/sysctl.d/90-fleet.conf")
        assert file.read_text() == "net.ipv4.ip_forward = 1\n"
        lab.fault("forwarding-off", "mini1")
        assert not answers(lab, "pi5", "10.10.0.2")
        lab.fault("power-off", "mini1")
        lab.heal()
        eventually(lambda: answers(lab, "pi5", "10.10.0.2"), "it forwards")
        lab.fault("forwarding-not-persistent", "mini1")
        assert not lab.path("mini1", "/etc/sysctl.d/90-fleet.conf").read_text()
        lab.fault("power-off", "mini1")
        lab.heal("power-off")
        assert not answers(lab, "pi5", "10.10.0.2")
        # /etc/sysctl.conf is read as well, and what is wrong in it hinders nothing.
        text = "nonsense\nnet.ipv4.nonsense=1\nnet.ipv4.ip_forward=1\n"
        lab.run("mini1", ["tee", "/etc/sysctl.conf"], user="root", input=text.encode())
        lab.fault("power-off", "mini1")
        lab.heal("power-off")
        eventually(lambda: answers(lab, "pi5", "10.10.0.2"), "it forwards")
        assert lab.run("mini1", ["cat", "/proc/sys/net/ipv4/conf/all/rp_filter"]).stdout == b"0\n"

    def test_services(self, lab: Lab) -> None:
        assert out(lab, "systemctl is-active ssh; sudo systemctl is-active ssh") == (
            "active\nactive\n"
        )
        assert on(lab, "systemctl is-active nonsense").returncode == 3

    def test_an_address_that_is_missing(self, lab: Lab) -> None:
        lab.fault("address-missing", "pi5")
        assert "192.168.50.2" not in out(lab, "ip -4 address")
        lab.fault("wrong-gateway", "pi5")
        lab.heal("address-missing")
        assert "10.10.0.0/24 via 192.168.50.3" in out(lab, "ip route")
        lab.heal()
        assert answers(lab, "pi5", "10.10.0.2")
        lab.fault("address-missing", "pi5")
        out(lab, f"sudo nmcli con up {ETH}")  # as a user repairs it
        assert answers(lab, "pi5", "10.10.0.2")
