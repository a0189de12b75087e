"""IPv4 addresses replaced so that networks stay networks. Pure.

An address of a network that is known keeps its place in it; any other one keeps its last byte, with
all that share its first three. What is private stays private of its own kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

_FULL = re.compile(
    r"(?:(?<![\w.])|(?<=^n))(?:\d{1,3}\.){3}\d{1,3}"
    r"(?:(?=\.\d{1,5}[ \t])|(?![\w.]*\d))(?!/[0-8]\b)",
    re.M,
)
"""Also with the port behind a dot, as ``netstat -an`` of macOS has it, and behind the ``n`` of
``lsof -F``."""
_SHORT = re.compile(
    r"^(?P<address>\d{1,3}(?:\.\d{1,3}){1,2})"
    r"(?=(?:/(?P<bits>\d{1,2}))?[ \t]+\S+[ \t]+U[A-Za-z]*\s)",
    re.M,
)
"""A destination in ``netstat -rn`` of macOS: zeros at its end are left out."""
_NETWORKS = (
    re.compile(r"(?<![\w.])(?P<address>(?:\d{1,3}\.){3}\d{1,3})/(?P<bits>\d{1,2})\b"),
    _SHORT,
    re.compile(r"\binet (?P<address>[\d.]{7,15}) netmask 0x(?P<mask>[0-9a-f]{8})\b"),
    re.compile(r'"local": ?"(?P<address>[\d.]{7,15})", ?"prefixlen": ?(?P<bits>\d{1,2})\b'),
)
"""Networks as routes and interfaces name them: ip(8), ifconfig(8), netstat(1)."""
_KEPT = tuple(map(IPv4Network, ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")))
_PUBLIC = frozenset(map(IPv4Address, ("1.1.1.1", "8.8.8.8", "8.8.4.4", "9.9.9.9")))
"""Known to everybody, and asked for whether there is an internet."""
_SPACES = tuple(
    map(
        IPv4Network,
        ("192.168.0.0/16", "172.16.0.0/12", "100.64.0.0/10", "10.0.0.0/8"),
    )
)
_OTHERS = IPv4Network("198.18.0.0/15")
"""For public ones: what RFC 2544 reserves for measurements."""
_BYTE = 24


class Addresses:
    """Replaces; the same by the same.

    :param networks: those that are known, such as the fleet's.
    """

    def __init__(self, networks: Iterable[IPv4Network]) -> None:
        self._known = sorted(networks, key=lambda net: -net.prefixlen)
        self._new: dict[IPv4Network, IPv4Network] = {}
        # the first numbers of each space are what most people have: new ones begin above them
        self._next = {
            space: int(space.network_address) + (20 << 8) for space in (*_SPACES, _OTHERS)
        }
        for network in self._known:
            self._renamed(network)

    def learn(self, text: str) -> None:
        """Take the networks in ``text`` for known, before anything of them is replaced."""
        for form in _NETWORKS:
            for found in form.finditer(text):
                if network := _network(**found.groupdict()):
                    self._learn(network)

    def _learn(self, network: IPv4Network) -> None:
        if not any(network.overlaps(each) for each in (*self._new, *_KEPT)):
            self._known.append(network)
            self._known.sort(key=lambda net: -net.prefixlen)
            self._renamed(network)

    def text(self, text: str) -> str:
        """``text`` with all of them replaced."""
        return _SHORT.sub(self._short, _FULL.sub(lambda m: self._full(m[0]), text))

    def address(self, old: IPv4Address) -> IPv4Address:
        """By what it is replaced."""
        if old in _PUBLIC or any(old in kept for kept in _KEPT):
            return old
        network = next((net for net in self._known if old in net), None)
        network = network or IPv4Network((int(old) & 0xFFFFFF00, _BYTE))
        new = self._renamed(network)
        return IPv4Address(int(new.network_address) | int(old) & int(new.hostmask))

    def _full(self, old: str) -> str:
        try:
            return str(self.address(IPv4Address(old)))
        except ValueError:
            return old

    def _short(self, found: re.Match[str]) -> str:
        network = _network(**found.groupdict())
        if network is None:  # half of all addresses, or the like
            return found[0]
        self._learn(network)
        count = found["address"].count(".") + 1
        new = str(self.address(network.network_address)).split(".")
        while len(new) > count and new[-1] == "0":
            new.pop()
        return ".".join(new)

    def _renamed(self, old: IPv4Network) -> IPv4Network:
        if old not in self._new:
            self._new[old] = self._made(old)
        return self._new[old]

    def _made(self, old: IPv4Network) -> IPv4Network:
        """A free one of its kind and size, which begins at the same place of the last byte."""
        space = next((space for space in _SPACES if old.subnet_of(space)), _OTHERS)
        if old.prefixlen <= space.prefixlen:
            return old  # a whole space tells nothing of anybody
        size = max(old.num_addresses, 256)
        begin = -(-self._next[space] // size) * size
        if begin + size > int(space.broadcast_address) + 1:
            return old  # there is no room: rather itself than a wrong case
        self._next[space] = begin + size
        return IPv4Network((begin | int(old.network_address) & 0xFF, old.prefixlen))


def _network(address: str, bits: str | None = None, mask: str | None = None) -> IPv4Network | None:
    """The network of an address, of which zeros at the end may be left out."""
    octets = address.split(".")
    length = int(mask, 16).bit_count() if mask else int(bits or 8 * len(octets))
    full = ".".join([*octets, *["0"] * (4 - len(octets))])
    try:
        return IPv4Network((full, length), strict=False) if 8 < length < 31 else None
    except ValueError:
        return None
