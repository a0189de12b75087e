"""``ip -j addr`` of iproute2: a JSON array with an object for each interface."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

from msgspec import Struct

from fleetctl.model.network import Interface
from fleetctl.patterns import pattern
from fleetctl.probes.parsers import address, json_text
from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.unparsed import Unparsed

_MISSING = pattern(r'Device "\S+" does not exist|[Cc]annot find device')


class IpLink(Struct, frozen=True):
    """One interface."""

    name: str
    enabled: bool
    carrier: bool | None
    """The flag LOWER_UP; without flags by the operating state, if that is unambiguous."""
    mac: str | None
    mtu: int | None
    operstate: str | None
    inet: tuple[IPv4Interface, ...]
    inet6: tuple[tuple[str, int], ...]
    """Addresses with their prefix lengths."""
    leased: tuple[IPv4Address, ...]
    """Those of ``inet`` with a lifetime."""

    def interface(self) -> Interface:
        return Interface(
            name=self.name,
            enabled=self.enabled,
            link=self.carrier,
            addresses=self.inet,
            mtu=self.mtu,
            mac=self.mac,
            leased=self.leased,
        )


@lru_cache(maxsize=256)  # a watched node's output rarely changes
def parse_ip_addr(text: str) -> tuple[Interface, ...] | Unparsed:
    """The interfaces in ``text``."""
    links = parse_links(text)
    return links if isinstance(links, Unparsed) else tuple(link.interface() for link in links)


def parse_links(text: str) -> tuple[IpLink, ...] | Unparsed:
    """The interfaces in ``text``, without the empty objects that a filter such as ``-4`` leaves.

    A missing device is ``no_such_device``.
    """
    objects = json_text.objects(text)
    if objects is None:
        if _MISSING.search(text):
            return Unparsed(text, "no_such_device")
        return unparsed(text, "bad_json" if json_text.looks_like_json(text) else "unrecognised")
    return tuple(link for link in map(_link, objects) if link is not None)


def _link(item: dict[str, Any]) -> IpLink | None:
    name = json_text.string(item.get("ifname"))
    if name is None:
        return None
    flags = json_text.strings(item.get("flags"))
    operstate = json_text.string(item.get("operstate"))
    inet: list[IPv4Interface] = []
    inet6: list[tuple[str, int]] = []
    leased: list[IPv4Address] = []
    infos = item.get("addr_info")
    for info in infos if isinstance(infos, list) else ():
        if not isinstance(info, dict):
            continue
        length = json_text.integer(info.get("prefixlen"))
        four, six = address.ipv4(info.get("local")), address.ipv6(info.get("local"))
        if length is None or length < 0:
            continue
        if four is not None and length <= 32:
            inet.append(IPv4Interface((int(four), length)))
            leased += [four] if info.get("dynamic") is True else []
        elif six is not None and length <= 128:
            inet6.append((six, length))
    return IpLink(
        name=name,
        enabled="UP" in flags,
        carrier=_carrier(flags, operstate),
        mac=address.mac(item.get("address")),
        mtu=json_text.integer(item.get("mtu")),
        operstate=operstate,
        inet=tuple(inet),
        inet6=tuple(inet6),
        leased=tuple(leased),
    )


def _carrier(flags: tuple[str, ...], operstate: str | None) -> bool | None:
    if flags:
        return "LOWER_UP" in flags
    return {"UP": True, "DOWN": False, "LOWERLAYERDOWN": False}.get(operstate or "")
