"""``ip route`` of iproute2, as JSON or as text."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network
from typing import Any, cast, get_args

from msgspec import Struct

from fleetctl.model.network import Route, RouteType
from fleetctl.probes.parsers import address, json_text
from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.number import whole
from fleetctl.probes.parsers.unparsed import Unparsed

_NOWHERE = frozenset({"unreachable", "blackhole", "prohibit", "throw"})  # needs no interface
_TYPES = _NOWHERE | {"unicast", "local", "broadcast", "multicast", "anycast", "nat"}
_SWITCHES = frozenset({"linkdown", "dead", "onlink", "pervasive", "offload", "trap", "notify"})


class Entry(Struct, frozen=True):
    """One route, or one next hop of a route that has several."""

    to: IPv4Network
    gateway: str | None
    """An address; IPv6 if the route goes ``via inet6``."""
    interface: str | None
    metric: int | None
    source: IPv4Address | None
    protocol: str | None
    """None for a route added by hand: iproute2 hides the protocol ``boot``."""
    type: str
    flags: tuple[str, ...]

    @property
    def dead(self) -> bool:
        """Whether its interface has no carrier."""
        return "linkdown" in self.flags or "dead" in self.flags

    def route(self) -> Route:
        via = address.ipv4(self.gateway)
        known = self.type in get_args(RouteType) and (via is not None or self.gateway is None)
        return Route(
            to=self.to,
            via=via,
            interface=self.interface or "",
            metric=self.metric or 0,
            type=cast("RouteType", self.type) if known else "other",
            dead=self.dead,
        )


@lru_cache(maxsize=256)  # a watched node's output rarely changes
def parse_ip_route(text: str) -> tuple[Route, ...] | Unparsed:
    """The IPv4 routes in ``text``, in the table's order."""
    entries = parse_entries(text)
    return entries if isinstance(entries, Unparsed) else tuple(entry.route() for entry in entries)


def parse_entries(text: str) -> tuple[Entry, ...] | Unparsed:
    """The IPv4 routes in ``text``, with an entry for each next hop."""
    objects = json_text.objects(text)
    if objects is not None:
        return tuple(entry for item in objects for entry in _from_json(item))
    if json_text.looks_like_json(text):
        return unparsed(text, "bad_json")
    found = tuple(_from_lines(text.splitlines()))
    return found or unparsed(text)


def _from_json(item: dict[str, Any]) -> Iterator[Entry]:
    to = address.network(item.get("dst"))
    hops = item.get("nexthops")
    for hop in hops if isinstance(hops, list) and hops else (item,):
        if to is not None and isinstance(hop, dict):
            said = {**item, **hop}
            via = said.get("via")
            entry = _entry(
                to,
                kind=json_text.string(item.get("type")) or "unicast",
                gateway=json_text.string(said.get("gateway")),
                via=json_text.string(via.get("host")) if isinstance(via, dict) else None,
                interface=json_text.string(said.get("dev")),
                metric=json_text.integer(item.get("metric")),
                source=address.ipv4(item.get("prefsrc")),
                protocol=json_text.string(item.get("protocol")),
                flags=json_text.strings(item.get("flags")) + json_text.strings(hop.get("flags")),
            )
            if entry is not None:
                yield entry


def _from_lines(lines: list[str]) -> Iterator[Entry]:
    head: list[str] | None = None
    for line in lines:
        words = line.split()
        if words[:1] == ["nexthop"] and head is not None:
            entry = _from_words(head + words[1:])
        else:
            head = words
            entry = _from_words(words)
        if entry is not None:
            yield entry


def _from_words(words: list[str]) -> Entry | None:
    kind = "unicast"
    if words and words[0] in _TYPES:
        kind, *words = words
    to = address.network(words[0]) if words else None
    if to is None:
        return None
    said: dict[str, str] = {}
    flags: list[str] = []
    rest = iter(words[1:])
    for word in rest:
        if word in _SWITCHES:
            flags.append(word)
        elif word == "via":
            value = next(rest, "")
            if value == "inet6":
                said["via"] = next(rest, "")
            else:
                said["gateway"] = next(rest, "") if value == "inet" else value
        else:
            said[word] = next(rest, "")
    return _entry(
        to,
        kind=kind,
        gateway=said.get("gateway"),
        via=said.get("via"),
        interface=said.get("dev") or None,
        metric=whole(said.get("metric")),
        source=address.ipv4(said.get("src")),
        protocol=said.get("proto"),
        flags=tuple(flags),
    )


def _entry(
    to: IPv4Network,
    *,
    kind: str,
    gateway: str | None,
    via: str | None,
    interface: str | None,
    metric: int | None,
    source: IPv4Address | None,
    protocol: str | None,
    flags: tuple[str, ...],
) -> Entry | None:
    """The route; None if it is cut off, or one of IPv6: its default route looks the same."""
    if gateway is not None and address.ipv4(gateway) is None:
        return None
    if via is not None and address.ipv6(via) is None:
        return None
    if interface is None and kind not in _NOWHERE:
        return None
    return Entry(
        to=to,
        gateway=gateway or via,
        interface=interface,
        metric=metric,
        source=source,
        protocol=protocol,
        type=kind,
        flags=tuple(dict.fromkeys(flags)),
    )
