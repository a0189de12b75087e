"""Files that set up interfaces at boot, in the forms of their manual pages."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from fleetctl.model.setup import BootRoute, InterfaceSetup
from fleetctl.probes.parsers.dhcpcd_conf import parse_dhcpcd
from fleetctl.probes.parsers.interfaces_file import parse_interfaces
from fleetctl.probes.parsers.networkd import parse_network_file

OWN = IPv4Interface("192.168.50.2/24")
ROUTE = BootRoute(IPv4Network("10.10.0.0/24"), IPv4Address("192.168.50.1"))
DEFAULT = BootRoute(IPv4Network("0.0.0.0/0"), IPv4Address("192.168.50.1"))

NETWORK = """\
[Match]
Name=eth0

# [Network] may come several times, in drop-ins
[Network]
DHCP=no
Address=192.168.50.2/24
Address=fd00::2/64
Gateway=192.168.50.1

[Route]
Destination=10.10.0.0/24
Gateway=192.168.50.1

[Route]
Destination=10.99.0.0/24
Scope=link

[Address]
Address=172.16.0.2/16
Label=eth0:1
"""


def test_a_file_of_networkd() -> None:
    assert parse_network_file(NETWORK, "eth0", "/etc/x.network") == InterfaceSetup(
        "eth0",
        "systemd-networkd",
        "/etc/x.network",
        addresses=(OWN, IPv4Interface("172.16.0.2/16")),
        routes=(DEFAULT, ROUTE),
    )


def test_a_drop_in_of_networkd_counts_last() -> None:
    found = parse_network_file(f"{NETWORK}\n[Network]\nDHCP=ipv4\n")
    assert found.dhcp
    assert found.addresses[0] == OWN


DHCPCD = """\
hostname
option domain_name_servers, domain_name
denyinterfaces wlan1

interface eth0
static ip_address=192.168.50.2/24   # the edge
static routes=10.10.0.0/24 192.168.50.1
static routers=192.168.50.1
static domain_name_servers=192.168.50.1

interface eth1
static ip_address=10.0.0.1/8
"""


def test_dhcpcd() -> None:
    assert parse_dhcpcd(DHCPCD, "eth0") == InterfaceSetup(
        "eth0", "dhcpcd", "/etc/dhcpcd.conf", addresses=(OWN,), routes=(ROUTE, DEFAULT)
    )
    asking = parse_dhcpcd(DHCPCD, "wlan0")
    assert asking
    assert (asking.dhcp, asking.addresses) == (True, ())
    assert parse_dhcpcd(DHCPCD, "wlan1") is None
    assert parse_dhcpcd("allowinterfaces wlan0\n", "eth0") is None


INTERFACES = """\
source /etc/network/interfaces.d/*
auto lo eth0
iface lo inet loopback

iface eth0 inet static
    address 192.168.50.2
    netmask 255.255.255.0
    gateway 192.168.50.1
    up ip route add 10.10.0.0/24 via 192.168.50.1 dev eth0 || true

allow-hotplug wlan0
iface wlan0 inet dhcp
iface wlan0 inet6 auto
iface eth1 inet static
    address 10.0.0.1/8
"""


def test_ifupdown() -> None:
    found = parse_interfaces(INTERFACES)
    assert found.keys() == {"lo", "eth0", "wlan0", "eth1"}
    assert found["eth0"] == InterfaceSetup(
        "eth0",
        "ifupdown",
        "/etc/network/interfaces",
        addresses=(OWN,),
        routes=(DEFAULT, ROUTE),
    )
    assert found["wlan0"].dhcp
    assert found["eth1"].addresses == ()  # nothing brings it up
