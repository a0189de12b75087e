"""A ``.network`` file of systemd-networkd, with its drop-ins after it (systemd.network(5))."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface

from fleetctl.model.setup import BootRoute, InterfaceSetup
from fleetctl.probes.parsers import address

_ON = ("yes", "ipv4", "both", "true", "v4")


def parse_network_file(text: str, interface: str = "", file: str = "") -> InterfaceSetup:
    """What ``file`` gives ``interface`` at boot; what it says besides is left out."""
    dhcp = False
    addresses: list[IPv4Interface] = []
    routes: list[BootRoute] = []
    for section, values in _sections(text):
        if section == "Network":
            addresses += filter(None, map(address.interface, values.get("Address", ())))
            routes += [BootRoute(address.EVERYWHERE, via) for via in _ips(values, "Gateway")]
            dhcp = values.get("DHCP", ["yes" if dhcp else ""])[-1].lower() in _ON
        elif section == "Address":
            addresses += filter(None, map(address.interface, values.get("Address", ())))
        elif section == "Route":
            to = address.network(values.get("Destination", ["default"])[-1])
            routes += [BootRoute(to, via) for via in _ips(values, "Gateway")] if to else []
    return InterfaceSetup(
        interface,
        "systemd-networkd",
        file,
        dhcp=dhcp,
        addresses=tuple(addresses),
        routes=tuple(routes),
    )


def _ips(values: dict[str, list[str]], key: str) -> Iterator[IPv4Address]:
    yield from filter(None, map(address.ipv4, values.get(key, ())))


def _sections(text: str) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Each section with its keys; one name may come several times, and so may a key."""
    name, values = "", dict[str, list[str]]()
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            yield name, values
            name, values = line[1:-1], {}
        elif "=" in line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            values.setdefault(key.strip(), []).append(value.strip())
    yield name, values
