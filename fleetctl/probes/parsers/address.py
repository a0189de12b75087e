"""Reading addresses, networks and masks as the tools write them."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address

from fleetctl.patterns import pattern
from fleetctl.probes.parsers.number import whole

_MAC = pattern(r"[0-9a-fA-F]{1,2}(?:([:.])[0-9a-fA-F]{1,2})(?:\1[0-9a-fA-F]{1,2}){4}")
EVERYWHERE = IPv4Network((0, 0))
"""The destination of a default route."""
_INTERFACE = pattern(r"[A-Za-z][A-Za-z0-9_.@:-]*")


def ipv4(text: object) -> IPv4Address | None:
    """``text`` as an IPv4 address in four decimal parts."""
    return _ipv4(text) if isinstance(text, str) else None


@lru_cache(maxsize=4096)  # the same few are read again and again, and parsing is slow
def _ipv4(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text)
    except ValueError:
        return None


def unmapped(text: str) -> str:
    """``text``, the address of a socket; IPv4 of an IPv6 socket (RFC 4291, 2.5.5.2) as IPv4."""
    mapped = ipv4(text[7:]) if text.lower().startswith("::ffff:") else None
    return str(mapped) if mapped else text


def ipv6(text: object) -> str | None:
    """``text`` as an IPv6 address, without a zone."""
    if not isinstance(text, str):
        return None
    try:
        return str(IPv6Address(text.partition("%")[0]))
    except ValueError:
        return None


def network(text: object) -> IPv4Network | None:
    """``default``, ``A.B.C.D`` or ``A.B.C.D/N`` as iproute2 writes them."""
    if not isinstance(text, str):
        return None
    if text in ("default", "any", "all"):
        return EVERYWHERE
    address, slash, length_text = text.partition("/")
    return prefix(ipv4(address), whole(length_text) if slash else 32)


def interface(text: object) -> IPv4Interface | None:
    """``A.B.C.D/N``, or without a length ``A.B.C.D``, as an address with its mask."""
    if not isinstance(text, str):
        return None
    try:
        return IPv4Interface(text)
    except ValueError:
        return None


def prefix(address: IPv4Address | None, length: int | None) -> IPv4Network | None:
    """The network; None if a part is missing or wrong, or a host bit is set."""
    if address is None or length is None or length > 32:
        return None
    try:
        return IPv4Network((int(address), length))
    except ValueError:
        return None


def prefix_length(mask: str) -> int | None:
    """Of a netmask, ``0xffffff00`` or ``255.255.255.0``; None if its bits are not contiguous."""
    if re.fullmatch(r"0x[0-9a-fA-F]{1,8}", mask):
        bits = int(mask, 16)
    else:
        dotted = ipv4(mask)
        if dotted is None:
            return None
        bits = int(dotted)
    length = bits.bit_count()
    return length if bits == (0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF else None


def mac(text: object) -> str | None:
    """A hardware address of six bytes, lower case, two digits a byte.

    Darwin leaves out leading zeros, and for bridges it writes dots (netstat/route.c).
    """
    if not isinstance(text, str) or not _MAC.fullmatch(text):
        return None
    return ":".join(part.zfill(2) for part in re.split("[:.]", text.lower()))


def interface_name(text: str) -> bool:
    """Whether ``text`` could be the name of a network interface."""
    return len(text) <= 32 and _INTERFACE.fullmatch(text) is not None
