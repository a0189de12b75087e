"""``ifconfig`` of macOS: a line for each interface, and its details on indented lines."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Interface
from itertools import pairwise

from msgspec import Struct

from fleetctl.model.network import Interface
from fleetctl.patterns import pattern
from fleetctl.probes.parsers import address
from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.number import whole
from fleetctl.probes.parsers.unparsed import Unparsed

_HEAD = pattern(
    r"(?P<name>\S{1,32}): flags=[0-9a-fA-F]{1,16}<(?P<flags>[^<>]*)>(?:.*?\bmtu (?P<mtu>\d+))?.*"
)
_MISSING = pattern(r"interface \S{1,64} does not exist|: error fetching interface information")


class Inet(Struct, frozen=True):
    """An IPv4 address of an interface."""

    address: IPv4Address
    prefix_length: int | None
    """None: no mask, or one that is not contiguous."""
    broadcast: IPv4Address | None


class Block(Struct, frozen=True):
    """What ``ifconfig`` prints of one interface."""

    name: str
    flags: tuple[str, ...]
    mtu: int | None
    ether: str | None
    inet: tuple[Inet, ...]
    inet6: tuple[tuple[str, int | None], ...]
    media: str | None
    status: str | None
    """``active`` or ``inactive``: whether there is a carrier."""
    members: tuple[str, ...]

    def interface(self) -> Interface:
        return Interface(
            name=self.name,
            enabled="UP" in self.flags,
            link={"active": True, "inactive": False}.get(self.status or ""),
            addresses=tuple(
                IPv4Interface((int(inet.address), inet.prefix_length))
                for inet in self.inet
                if inet.prefix_length is not None
            ),
            mtu=self.mtu,
            members=self.members,
            mac=self.ether,
        )


@lru_cache(maxsize=256)  # a watched node's output rarely changes
def parse_ifconfig(text: str) -> tuple[Interface, ...] | Unparsed:
    """The interfaces in ``text``."""
    blocks = parse_blocks(text)
    return blocks if isinstance(blocks, Unparsed) else tuple(block.interface() for block in blocks)


def parse_blocks(text: str) -> tuple[Block, ...] | Unparsed:
    """The interfaces in ``text``. One that does not exist is ``no_such_interface``."""
    blocks: list[tuple[re.Match[str], list[str]]] = []
    lines: list[str] | None = None
    for line in text.splitlines():
        if line[:1] in (" ", "\t"):
            if lines is not None:
                lines.append(line.strip())
        elif line:  # any line that is not indented ends an interface
            head = _HEAD.fullmatch(line)
            lines = None if head is None else []
            if head is not None and lines is not None:
                blocks.append((head, lines))
    if not blocks:
        return Unparsed(text, "no_such_interface") if _MISSING.search(text) else unparsed(text)
    return tuple(_block(head, details) for head, details in blocks)


def _block(head: re.Match[str], details: list[str]) -> Block:
    said: dict[str, str] = {}
    inet: list[Inet] = []
    inet6: list[tuple[str, int | None]] = []
    members: list[str] = []
    for detail in details:
        key, _, value = detail.partition(" ")
        words = value.split()
        if key == "inet" and words:
            inet.extend(_inet(words))
        elif key == "inet6" and words:
            six = address.ipv6(words[0])
            if six is not None:
                inet6.append((six, whole(_after(words, "prefixlen"))))
        elif key == "member:" and words:
            members.append(words[0])
        elif key in ("ether", "media:", "status:"):
            said.setdefault(key, value.strip())
    return Block(
        name=head["name"],
        flags=tuple(flag for flag in head["flags"].split(",") if flag),
        mtu=whole(head["mtu"]),
        ether=address.mac(said.get("ether")),
        inet=tuple(inet),
        inet6=tuple(inet6),
        media=said.get("media:") or None,
        status=said.get("status:") or None,
        members=tuple(members),
    )


def _inet(words: list[str]) -> list[Inet]:
    found = address.ipv4(words[0])
    if found is None:
        return []
    mask = _after(words, "netmask")
    return [
        Inet(
            address=found,
            prefix_length=None if mask is None else address.prefix_length(mask),
            broadcast=address.ipv4(_after(words, "broadcast")),
        )
    ]


def _after(words: list[str], key: str) -> str | None:
    """The word after ``key``."""
    return next((value for word, value in pairwise(words) if word == key), None)
