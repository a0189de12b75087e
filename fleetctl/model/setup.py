"""How a node's network is set up after its next boot, which lasting repairs change."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from msgspec import Struct

SYSCTL_FILE = "/etc/sysctl.d/90-fleet.conf"
DAEMON_LABEL = "dev.fleetctl.forwarding"
DAEMON_FILE = f"/Library/LaunchDaemons/{DAEMON_LABEL}.plist"

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
    name: str
    device: str | None = None
    """The interface on which it is active."""
    bound_to: str | None = None
    """The only interface on which it may be used."""
    autoconnect: bool = True
    method: str | None = None
    addresses: tuple[str, ...] = ()
    routes: tuple[ProfileRoute, ...] = ()
    never_default: bool = False
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


class NetworkSetup(Struct, frozen=True):
    """The network setup of one node. ``None``: not there, or not known; see ``unknown``."""

    profiles: tuple[Profile, ...] | None = None
    services: tuple[NetworkService, ...] | None = None
    sysctl: str | None = None
    """The text of :data:`SYSCTL_FILE`; None: no such file."""
    daemon: str | None = None
    """The text of :data:`DAEMON_FILE`; None: no such file."""
    sleep_minutes: int | None = None
    disk_sleep_minutes: int | None = None
    unknown: Mapping[str, str] = {}
    """By name of the field: why it is not known."""
