"""A node's interfaces, routes and neighbours: the same values on every operating system."""

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
    """It is switched on (the flag UP), with or without a carrier."""
    link: bool | None
    """It has a carrier, or on macOS ``status: active``. None: not known."""
    addresses: tuple[IPv4Interface, ...] = ()
    """IPv4, with their prefix length."""
    mtu: int | None = None
    members: tuple[str, ...] = ()
    """Of a bridge, if the tool names them."""
    mac: str | None = None
    """Its hardware address in use, lower case, two digits a byte; None: not told, or none."""
    leased: tuple[IPv4Address, ...] = ()
    """Linux: the addresses with a lifetime, as DHCP clients set them (ip-address(8), ``dynamic``).
    macOS does not tell."""

    @property
    def up(self) -> bool:
        """It is switched on, and not known to be without a carrier."""
        return self.enabled and self.link is not False


class Route(Struct, frozen=True):
    """One entry of the IPv4 routing table."""

    to: IPv4Network
    via: IPv4Address | None
    """The next hop; None: directly on the link."""
    interface: str
    """Empty for a route without one, such as a blackhole."""
    metric: int = 0
    type: RouteType = "unicast"
    scoped: bool = False
    """macOS flag I: used only for sockets bound to the interface."""
    dead: bool = False
    """Linux ``linkdown`` or ``dead``: its interface has no carrier."""
    cloned: bool = False
    """macOS flag W: an entry of the neighbour cache, no route of its own."""


class RouteTaken(Struct, frozen=True):
    """The route that packets to an address take."""

    to: IPv4Address
    via: IPv4Address | None = None
    interface: str | None = None
    error: str | None = None
    """Why there is no route, in the tool's words; then everything else is None."""


class Neighbour(Struct, frozen=True):
    """One entry of the ARP table; an address may have one on each of two interfaces."""

    address: IPv4Address
    interface: str
    mac: str | None
    state: NeighbourState
    reachable: bool = False
    """Linux ``REACHABLE``: it was confirmed within seconds. macOS does not tell how old an entry
    is."""


class PortUse(Struct, frozen=True):
    """What went through a network interface lately."""

    in_bytes_per_s: int
    out_bytes_per_s: int


class Heard(Struct, frozen=True):
    """A machine that answered at the other end of an interface's link."""

    interface: str
    mac: str
    """Lower case, two digits a byte."""


class Echo(Struct, frozen=True):
    """The result of sending echo requests (``ping``) to one address."""

    sent: int
    received: int
    rtt_min_ms: float | None = None
    error: str | None = None
    """The error of ping, or of a router on the way, if there was one."""
    deviation_ms: float | None = None
    """The standard deviation of several round trips; None: fewer, or ping does not tell it."""


class EchoRound(Struct, frozen=True):
    """Echo requests to one address that were sent in one stretch of time, some of them answered."""

    slot: int
    """The number of the stretch; it is the same for all nodes that are asked together."""
    sent: int
    received: int
    rtt_min_ms: float | None = None
    deviation_ms: float | None = None
    """Of the newest several that were sent together, as of :class:`Echo`."""

    def with_more(self, later: EchoRound) -> EchoRound:
        """Both as one, in the stretch of this one."""
        times = [t for t in (self.rtt_min_ms, later.rtt_min_ms) if t is not None]
        return EchoRound(
            self.slot,
            self.sent + later.sent,
            self.received + later.received,
            min(times, default=None),
            self.deviation_ms if later.deviation_ms is None else later.deviation_ms,
        )
