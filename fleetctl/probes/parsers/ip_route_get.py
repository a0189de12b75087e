"""``ip route get ADDRESS`` of iproute2, as JSON or as text.

Without a route there is no JSON, only a text on stderr and status 2.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from itertools import pairwise
from typing import Any

from msgspec import Struct

from fleetctl.model.network import RouteTaken
from fleetctl.probes.parsers import address, json_text
from fleetctl.probes.parsers.failures import absent, phrase, unparsed
from fleetctl.probes.parsers.unparsed import Unparsed

_NOWHERE = frozenset({"unreachable", "blackhole", "prohibit", "throw"})
_TYPES = _NOWHERE | {"local", "broadcast", "multicast", "unicast", "anycast", "nat"}


class Way(Struct, frozen=True):
    """The route that packets to one address take, or why there is none."""

    to: IPv4Address | None = None
    gateway: IPv4Address | None = None
    interface: str | None = None
    source: IPv4Address | None = None
    type: str | None = None
    error: str | None = None
    """A short stable word, such as ``network_unreachable``; then there is no route."""
    error_text: str | None = None
    """The line with the error."""

    def taken(self, asked: IPv4Address) -> RouteTaken:
        """As the answer for the address ``asked``."""
        if self.error is not None:
            return RouteTaken(to=asked, error=self.error_text)
        return RouteTaken(to=asked, via=self.gateway, interface=self.interface)


def parse_ip_route_get(text: str) -> Way | Unparsed:
    """The route in ``text``, which is stdout and stderr."""
    objects = json_text.objects(text)
    for item in objects or ():
        way = _from_json(item)
        if way is not None:
            return way
    for line in text.splitlines():
        way = _from_line(line)
        if way is not None:
            return way
    return unparsed(text, "bad_json" if json_text.looks_like_json(text) else "unrecognised")


def _from_json(item: dict[str, Any]) -> Way | None:
    to = address.ipv4(item.get("dst"))
    if to is None:
        return None
    return _way(
        to,
        kind=json_text.string(item.get("type")) or "unicast",
        gateway=json_text.string(item.get("gateway")),
        interface=json_text.string(item.get("dev")),
        source=json_text.string(item.get("prefsrc")),
    )


def _from_line(line: str) -> Way | None:
    words = line.split()
    if words[:1] in (["RTNETLINK"], ["Error:"], ["ip:"]) and not absent(line):
        # musl and BusyBox put "ip:" first
        error = phrase(line)
        return None if error is None else Way(error=error, error_text=line.strip())
    kind = "unicast"
    if words and words[0] in _TYPES:
        kind, *words = words
    to = address.ipv4(words[0]) if words else None
    if to is None:
        return None
    said = dict(pairwise(words[1:]))
    return _way(
        to,
        kind=kind,
        gateway=said.get("via"),
        interface=said.get("dev"),
        source=said.get("src"),
    )


def _way(
    to: IPv4Address,
    *,
    kind: str,
    gateway: str | None,
    interface: str | None,
    source: str | None,
) -> Way | None:
    if kind in _NOWHERE:
        return Way(to=to, type=kind, error=kind, error_text=f"the route to {to} is {kind}")
    via = address.ipv4(gateway)
    if interface is None or (gateway is not None and via is None):
        return None  # cut off
    return Way(to=to, gateway=via, interface=interface, source=address.ipv4(source), type=kind)
