"""The lines to write where fleetctl has no repair: systemd-networkd, dhcpcd, ifupdown, netplan.

Formats: systemd.network(5), dhcpcd.conf(5), interfaces(5), netplan(5). A note is one line of text,
so lines of a file stand in backticks.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from fleetctl.model.setup import InterfaceSetup

_NETPLAN = "-netplan-"
"""In the names of the files that netplan writes to /run for its renderers (netplan-generate(8))."""


def address_note(own: InterfaceSetup, address: IPv4Interface) -> str:
    """Where and how ``address`` is written down, so that it comes up at boot."""
    name = own.interface
    if _NETPLAN in own.where:
        return _netplan(name, f"`addresses: [{address}]`")
    match own.manager:
        case "systemd-networkd":
            return _write(_file(own), "[Network]", f"Address={address}")
        case "dhcpcd":
            return _write(own.where, f"interface {name}", f"static ip_address={address}")
        case _:
            lines = (f"auto {name}", f"iface {name} inet static", f"address {address}")
            return _write(own.where, *lines)


def route_note(own: InterfaceSetup, to: IPv4Network, via: IPv4Address) -> str:
    """Where and how a route is written down, so that it comes up at boot."""
    name = own.interface
    if _NETPLAN in own.where:
        return _netplan(name, f"`routes: [{{to: {to}, via: {via}}}]`")
    match own.manager:
        case "systemd-networkd":
            return _write(_file(own), "[Route]", f"Destination={to}", f"Gateway={via}")
        case "dhcpcd":
            return _write(own.where, f"interface {name}", f"static routes={to} {via}")
        case _:
            line = f"up ip route add {to} via {via} dev {name}"
            return f"{_write(own.where, line)}, below `iface {name} inet …`"


def _write(file: str, *lines: str) -> str:
    return f"write into {file}: {', '.join(f'`{line}`' for line in lines)}"


def _netplan(name: str, line: str) -> str:
    return f"write into a file of /etc/netplan, under `ethernets:`, `{name}:`: {line}"


def _file(own: InterfaceSetup) -> str:
    """Files below /usr/lib and /run are not the user's: one of the same name in /etc replaces
    them."""
    if own.where.startswith("/etc/"):
        return own.where
    return f"/etc/systemd/network/{own.where.rpartition('/')[2]}"
