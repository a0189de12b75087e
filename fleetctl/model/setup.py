"""How a node's network is set up after its next boot, which lasting repairs change."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Literal

from msgspec import Struct

SYSCTL_FILE = "/etc/sysctl.d/90-fleet.conf"
DAEMON_LABEL = "dev.fleetctl.forwarding"
DAEMON_FILE = f"/Library/LaunchDaemons/{DAEMON_LABEL}.plist"

NETWORKD_FOLDER = "/etc/systemd/network"
IFUPDOWN_FOLDER = "/etc/network/interfaces.d"
DHCPCD_FILE = "/etc/dhcpcd.conf"

Manager = Literal["NetworkManager", "systemd-networkd", "dhcpcd", "ifupdown", "macOS"]
"""What sets up an interface at boot. netplan writes files for the first two."""
Method = Literal["manual", "dhcp", "bootp", "manual_with_dhcp_router", "off"]


class ProfileRoute(Struct, frozen=True):
    """A route in a NetworkManager profile."""

    to: IPv4Network
    via: IPv4Address | None
    text: str
    """As nmcli prints it, and takes it to delete the route."""


class Profile(Struct, frozen=True):
    """A NetworkManager profile. Two may have the same name, so the UUID identifies it."""

    uuid: str
    """Empty for one that a repair is about to make: NetworkManager chooses it then."""
    name: str
    device: str | None = None
    """The interface on which it is active."""
    bound_to: str | None = None
    """The only interface on which it may be used."""
    autoconnect: bool = True
    priority: int = 0
    """Of several that may come up on an interface, the highest one does."""
    method: str | None = None
    addresses: tuple[str, ...] = ()
    routes: tuple[ProfileRoute, ...] = ()
    never_default: bool = False
    gateway: IPv4Address | None = None
    volatile: bool = False
    """It is not on the disk: NetworkManager made it of addresses that were set by other means."""
    power_save: int | None = None
    """Of a Wi-Fi profile: 0 default, 1 ignore, 2 disable, 3 enable."""


class ServiceRoute(Struct, frozen=True):
    """An additional route of a macOS network service."""

    to: IPv4Network
    via: IPv4Address


class NetworkService(Struct, frozen=True):
    """A macOS network service. Its name is free text; its device is not."""

    name: str
    enabled: bool
    device: str | None
    method: Method | None = None
    address: IPv4Address | None = None
    mask: IPv4Address | None = None
    router: IPv4Address | None = None
    routes: tuple[ServiceRoute, ...] | None = None
    """None: not known, so the list must not be replaced."""
    port: str | None = None
    """The name of its hardware port, such as ``Wi-Fi`` or ``Thunderbolt Bridge``."""


class BootRoute(Struct, frozen=True):
    """A route that an interface's setup brings."""

    to: IPv4Network
    via: IPv4Address | None


class OwnFile(Struct, frozen=True):
    """Where fleetctl adds to what an interface gets at boot, and what it added."""

    file: str
    text: str | None = None
    """What it wrote there, in /etc/dhcpcd.conf between its two marks; None: nothing yet."""
    addresses: tuple[IPv4Interface, ...] = ()
    routes: tuple[BootRoute, ...] = ()
    replaces: bool = False
    """The file is used instead of the one that the interface has now."""


class InterfaceSetup(Struct, frozen=True):
    """What one interface gets at boot."""

    interface: str
    manager: Manager
    where: str
    """The file, profile or service that says it, for a sentence."""
    dhcp: bool = False
    """It asks a DHCP server, perhaps besides what follows."""
    addresses: tuple[IPv4Interface, ...] = ()
    routes: tuple[BootRoute, ...] = ()
    lease: IPv4Address | None = None
    """The address that the DHCP server gave, where that is told."""
    takes_default: bool = True
    """It takes a default route from the DHCP server."""
    unknown: str = ""
    """Why that is not known; then only what fleetctl itself wrote is."""
    own: OwnFile | None = None
    """None: there is no place where adding to it is safe."""


class NetworkSetup(Struct, frozen=True):
    """The network setup of one node. ``None``: not there, or not known; see ``unknown``."""

    profiles: tuple[Profile, ...] | None = None
    services: tuple[NetworkService, ...] | None = None
    devices: Mapping[str, str] = {}
    """By interface: NetworkManager's word for its state, such as ``unmanaged``."""
    types: Mapping[str, str] = {}
    """By interface: NetworkManager's word for its type, such as ``ethernet``."""
    interfaces: Mapping[str, InterfaceSetup] = {}
    """Of a Linux node: what systemd-networkd, dhcpcd and ifupdown set up, by interface."""
    sysctl: str | None = None
    """The text of :data:`SYSCTL_FILE`; None: no such file."""
    daemon: str | None = None
    """The text of :data:`DAEMON_FILE`; None: no such file."""
    sleep_minutes: int | None = None
    disk_sleep_minutes: int | None = None
    unknown: Mapping[str, str] = {}
    """By name of the field: why it is not known."""
