"""``/etc/dhcpcd.conf`` of dhcpcd: what each interface gets at boot (dhcpcd.conf(5))."""

from __future__ import annotations

import re
from ipaddress import IPv4Interface

from msgspec.structs import replace

from fleetctl.model.setup import DHCPCD_FILE, BootRoute, InterfaceSetup, OwnFile
from fleetctl.probes.parsers import address

_ROUTES = ("routes", "static_routes", "classless_static_routes")


def parse_dhcpcd(text: str, interface: str = "") -> InterfaceSetup | None:
    """What ``interface`` gets; without a fixed address it asks a DHCP server.

    :returns: None if dhcpcd leaves the interface alone.
    """
    found = InterfaceSetup(interface, "dhcpcd", DHCPCD_FILE, dhcp=True)
    mine = True  # what stands before the first "interface" line is for all
    for words in (line.split("#")[0].split() for line in text.splitlines()):
        match words:
            case ["interface", *names]:
                mine = interface in names
            case ["profile" | "ssid", *_]:
                mine = False
            case ["denyinterfaces", *patterns] if interface in patterns:
                return None
            case ["allowinterfaces", *patterns] if interface not in patterns:
                return None
            case ["static", *rest] if mine:
                found = _static(found, " ".join(rest))
    return found


def own_file(text: str, interface: str) -> OwnFile:
    """What fleetctl wrote for ``interface``, between two comments at the end of the file."""
    name = re.escape(interface)
    marks = rf"^# fleetctl {name} begin\n(.*?)^# fleetctl {name} end$"
    if not (found := re.search(marks, text, re.M | re.S)):
        return OwnFile(DHCPCD_FILE)
    own = InterfaceSetup(interface, "dhcpcd", DHCPCD_FILE)
    for line in found[1].splitlines():
        if line.startswith("static "):
            own = _static(own, line.removeprefix("static "))
    return OwnFile(DHCPCD_FILE, found[1], own.addresses, own.routes)


def _static(found: InterfaceSetup, setting: str) -> InterfaceSetup:
    key, _, value = setting.partition("=")
    own: IPv4Interface | None = address.interface(value)
    if key == "ip_address" and own is not None:
        return replace(found, dhcp=False, addresses=(own,))
    to, _, next_hop = value.partition(" ")
    if key == "routers":
        to, next_hop = "default", to
    network, via = address.network(to), address.ipv4(next_hop.strip())
    if key in (*_ROUTES, "routers") and network is not None and via is not None:
        return replace(found, routes=(*found.routes, BootRoute(network, via)))
    return found
