"""What a node says of its own network: values that read the same on every operating system."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Literal

from msgspec import Struct

RouteType = Literal["unicast", "blackhole", "unreachable", "prohibit", "other"]
NeighbourState = Literal["known", "incomplete", "failed"]


class Interface(Struct, frozen=True):
    """One network interface."""

    name: str
    enabled: bool
    """It is switched on (the flag UP), whatever its cable does."""
    link: bool | None
    """Its link works: there is a carrier, or macOS says ``status: active``. None: not said."""
    addresses: tuple[IPv4Interface, ...] = ()
    """IPv4, with their prefix length."""
    mtu: int | None = None
    members: tuple[str, ...] = ()
    """Of a bridge, where the tool names them."""

    @property
    def up(self) -> bool:
        """It is switched on and nothing says that its link is dead."""
        return self.enabled and self.link is not False


class Route(Struct, frozen=True):
    """One entry of the IPv4 routing table, in the table's order."""

    to: IPv4Network
    via: IPv4Address | None
    """None: on the link itself."""
    interface: str
    """Empty for a route that leads nowhere, such as a blackhole."""
    metric: int = 0
    type: RouteType = "unicast"
    scoped: bool = False
    """macOS flag I: counts only for sockets bound to the interface."""
    dead: bool = False
    """Linux ``linkdown`` or ``dead``: its interface has no carrier."""
    cloned: bool = False
    """macOS flag W: an entry of the neighbour cache, no route of its own."""


class RouteTaken(Struct, frozen=True):
    """The way that a packet to an address would really take."""

    to: IPv4Address
    via: IPv4Address | None = None
    interface: str | None = None
    error: str | None = None
    """Why there is no way, in the tool's words; then everything else is None."""


class Neighbour(Struct, frozen=True):
    """One entry of the ARP table; the same address may stand on two interfaces."""

    address: IPv4Address
    interface: str
    mac: str | None
    state: NeighbourState


class Echo(Struct, frozen=True):
    """What came of sending echo requests (``ping``) to one address."""

    sent: int
    received: int
    rtt_min_ms: float | None = None
    error: str | None = None
    """What ping or a router on the way said, where it said why."""
