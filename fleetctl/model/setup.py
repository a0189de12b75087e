"""What a node brings up at its next boot: what a lasting repair has to change, and to put back."""

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
    """As nmcli says it, which is also how it is taken away again."""


class Profile(Struct, frozen=True):
    """A NetworkManager profile. Two may have the same name, so the UUID is what counts."""

    uuid: str
    name: str
    device: str | None = None
    """The interface it is active on."""
    bound_to: str | None = None
    """The only interface it may be used on."""
    autoconnect: bool = True
    """It may come up by itself."""
    method: str | None = None
    addresses: tuple[str, ...] = ()
    routes: tuple[ProfileRoute, ...] = ()
    never_default: bool = False
    power_save: int | None = None
    """Of a Wi-Fi profile: 0 default, 1 ignore, 2 disable, 3 enable."""


class ServiceRoute(Struct, frozen=True):
    """A route that a macOS network service brings with it."""

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
    """None: could not be read, so the list must not be replaced."""


class NetworkSetup(Struct, frozen=True):
    """How one node is set up. ``None``: there is none, or it was not told; see ``unknown``."""

    profiles: tuple[Profile, ...] | None = None
    services: tuple[NetworkService, ...] | None = None
    sysctl: str | None = None
    """The text of :data:`SYSCTL_FILE`; None where there is no such file."""
    daemon: str | None = None
    """The text of :data:`DAEMON_FILE`; None where there is no such file."""
    sleep_minutes: int | None = None
    disk_sleep_minutes: int | None = None
    unknown: Mapping[str, str] = {}
    """Field to the reason why it is not known."""
