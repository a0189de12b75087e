"""``route -n get ADDRESS`` of macOS: ``key: value`` lines, then a table of metrics.

Its exit status is 0 even if no route matches (network_cmds route.c, newroute()), so stdout and
stderr are read.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from msgspec import Struct

from fleetctl.model.network import RouteTaken
from fleetctl.patterns import pattern
from fleetctl.probes.parsers import address
from fleetctl.probes.parsers.failures import absent, phrase, unparsed
from fleetctl.probes.parsers.number import whole
from fleetctl.probes.parsers.unparsed import Unparsed

_LINE = pattern(r"\s*(route to|destination|mask|gateway|interface|flags):\s+(\S.*?)\s*")


class RouteGet(Struct, frozen=True):
    """The route that matched, or why none did."""

    route_to: str | None = None
    destination: str | None = None
    mask: str | None = None
    """None for a host route."""
    gateway: str | None = None
    """None without a next hop."""
    interface: str | None = None
    flags: tuple[str, ...] = ()
    mtu: int | None = None
    error: str | None = None
    """A short stable word: ``not_in_table``, ``bad_address``, ...; then no route was found."""
    error_text: str | None = None
    """The line with the error."""

    @property
    def found(self) -> bool:
        return self.error is None

    def taken(self, asked: IPv4Address) -> RouteTaken:
        """As the answer for the address ``asked``."""
        if self.error is not None:
            return RouteTaken(to=asked, error=self.error_text)
        for flag in ("REJECT", "BLACKHOLE"):
            if flag in self.flags:
                return RouteTaken(to=asked, error=f"the route to {asked} has the flag {flag}")
        return RouteTaken(to=asked, via=address.ipv4(self.gateway), interface=self.interface)


def parse_route_get(text: str) -> RouteGet | Unparsed:
    """The route in ``text``, which is stdout and stderr."""
    said: dict[str, str] = {}
    mtu: int | None = None
    columns: list[str] = []
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        words = line.split()
        if match is not None:
            said.setdefault(match[1], match[2])
        elif line.startswith("route:") and not absent(line):
            error = phrase(line)
            if error is not None:
                return RouteGet(error=error, error_text=line.strip())
        elif "mtu" in words and "hopcount" in words:
            columns = words
        elif columns:
            # The title "rtt,msec" is one word, so titles and values pair up.
            mtu = whole(dict(zip(columns, words, strict=False)).get("mtu"))
            columns = []
    if "interface" not in said:
        return unparsed(text, "incomplete" if said else "unrecognised")
    return RouteGet(
        route_to=said.get("route to"),
        destination=said.get("destination"),
        mask=said.get("mask"),
        gateway=said.get("gateway"),
        interface=said["interface"],
        flags=tuple(flag for flag in said.get("flags", "").strip("<>").split(",") if flag),
        mtu=mtu,
    )
