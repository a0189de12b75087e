"""``networksetup`` of macOS. Names of services and ports are free text; devices are not.

It prints errors to stdout, and its exit status varies, so only the text is read.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network

from msgspec import Struct

from fleetctl.model.setup import Method
from fleetctl.patterns import pattern
from fleetctl.probes.parsers import address
from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.unparsed import Unparsed

_HEAD = pattern(r"\((?P<mark>\*?\d*)\) (?P<name>.+)")
# The last "Device:" counts, since a port's name is free text: "Adapter (en4), Device: x".
_PORT = pattern(r"\(Hardware Port: (?P<port>.*), Device: ?(?P<device>\S*)\)")
_METHODS: dict[str, Method] = {
    "manual configuration": "manual",
    "dhcp configuration": "dhcp",
    "bootp configuration": "bootp",
    "manually using dhcp router configuration": "manual_with_dhcp_router",
    "manual using dhcp router configuration": "manual_with_dhcp_router",
    "off configuration": "off",
    "ipv4 off": "off",
}
_ADDRESS = r"(\d+\.\d+\.\d+\.\d+)"
_ROUTE = pattern(rf"\D*?{_ADDRESS}\D+?{_ADDRESS}\D+?{_ADDRESS}\s*", re.ASCII)
_NO_SERVICE = ("not a recognized network service", "unable to find item in network database")


class Service(Struct, frozen=True):
    """A network service."""

    name: str
    enabled: bool
    port: str | None = None
    device: str | None = None


class ServiceInfo(Struct, frozen=True):
    """How a service is set up."""

    method: Method | None = None
    address: IPv4Address | None = None
    mask: IPv4Address | None = None
    router: IPv4Address | None = None
    ipv6: str | None = None
    """``Automatic``, ``Off``, ..."""
    mac: str | None = None
    error: str | None = None
    """``no_such_service`` or ``invalid_parameters``; then nothing else is known."""


class AdditionalRoute(Struct, frozen=True):
    """An additional route of a service."""

    to: IPv4Network
    via: IPv4Address


def parse_service_order(text: str) -> tuple[Service, ...] | Unparsed:
    """``-listnetworkserviceorder``: a disabled service has ``(*)`` instead of a number."""
    services: list[Service] = []
    for line in text.splitlines():
        port, head = _PORT.fullmatch(line.strip()), _HEAD.fullmatch(line.strip())
        if port is not None:
            if services and services[-1].port is None:
                last = services[-1]
                services[-1] = Service(
                    last.name, last.enabled, port["port"], port["device"] or None
                )
        elif head is not None and head["mark"]:
            services.append(Service(head["name"], "*" not in head["mark"]))
    return tuple(services) or _failed(text)


def parse_service_info(text: str) -> ServiceInfo | Unparsed:
    """``-getinfo SERVICE``."""
    error = _error(text)
    said: dict[str, str] = {}
    method: Method | None = None
    mac: str | None = None
    for line in text.splitlines():
        key, colon, value = line.strip().partition(":")
        if method is None and not colon:
            method = _METHODS.get(key.lower())
        elif colon:
            said.setdefault(key, value.strip())
            if key.endswith((" ID", " Address")) and mac is None:  # "Wi-Fi ID", "Ethernet Address"
                mac = address.mac(value.strip())
    if error is not None and method is None:
        return ServiceInfo(error=error)
    if method is None and "IP address" not in said:
        if "IPv6" not in said:
            return _failed(text)
        method = "off"  # of IPv4 it says nothing
    return ServiceInfo(
        method=method,
        address=address.ipv4(said.get("IP address")),
        mask=address.ipv4(said.get("Subnet mask")),
        router=address.ipv4(said.get("Router")),
        ipv6=said.get("IPv6") or None,
        mac=mac,
    )


def parse_additional_routes(text: str) -> tuple[AdditionalRoute, ...] | Unparsed:
    """``-getadditionalroutes SERVICE``."""
    found: list[AdditionalRoute] = []
    for line in text.splitlines():
        match = _ROUTE.fullmatch(line)
        length = None if match is None else address.prefix_length(match[2])
        via = None if match is None else address.ipv4(match[3])
        to = None if match is None else address.prefix(address.ipv4(match[1]), length)
        if to is not None and via is not None:
            found.append(AdditionalRoute(to, via))
    if found or "no additional IPv4 routes" in text:
        return tuple(found)
    return _failed(text)


def _error(text: str) -> str | None:
    lowered = text.lower()
    if any(phrase in lowered for phrase in _NO_SERVICE):
        return "no_such_service"
    return "invalid_parameters" if "** error: the parameters were not valid" in lowered else None


def _failed(text: str) -> Unparsed:
    error = _error(text)
    return unparsed(text) if error is None else Unparsed(text, error)
