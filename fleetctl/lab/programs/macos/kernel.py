"""The kernel's interfaces, routes and neighbours, read from the real `ip`, with a Mac's names."""

from __future__ import annotations

from ..node import IP, ip, number_of, run

Address = tuple[str, int]
BRIDGE_MEMBERS = ("en2", "en3", "en4")
"""A Mac mini's Thunderbolt ports; in the lab, cables are connected to the bridge instead."""


class Interface:
    """A real interface; the loopback one is called ``lo0`` here."""

    def __init__(self, index: int, name: str, flags: list[str], mtu: int) -> None:
        self.index = index
        self.name = name
        self.up = "UP" in flags
        self.active = "LOWER_UP" in flags
        self.mtu = mtu
        self.mac = ""
        self.addresses: list[Address] = []


def interfaces() -> list[Interface]:
    found: list[Interface] = []
    for line in run(IP, "address")[1].splitlines():  # -4 would omit those without address
        words = line.split()
        if line[:1].isdigit():
            name = words[1].rstrip(":").partition("@")[0]
            flags = words[2].strip("<>").split(",")
            mtu = int(words[words.index("mtu") + 1])
            found.append(Interface(int(words[0].rstrip(":")), mac_name(name), flags, mtu))
        elif words and words[0].startswith("link/"):
            found[-1].mac = words[1] if found[-1].name != "lo0" else ""
        elif words and words[0] == "inet":
            address, _, prefix = words[1].partition("/")
            found[-1].addresses.append((address, int(prefix or 32)))
    return found


class Route:
    """One route of the main table."""

    def __init__(self, line: str) -> None:
        words = line.split()
        self.kind = ""
        if words and words[0] in ("blackhole", "unreachable", "prohibit", "local", "broadcast"):
            self.kind = words.pop(0)
        to = words[0]
        self.default = to == "default"
        address, _, prefix = to.partition("/")
        self.to = "0.0.0.0" if self.default else address
        self.prefix = 0 if self.default else int(prefix or 32)
        self.via = words[words.index("via") + 1] if "via" in words else ""
        self.device = mac_name(words[words.index("dev") + 1]) if "dev" in words else "lo0"
        self.metric = int(words[words.index("metric") + 1]) if "metric" in words else 0

    @property
    def order(self) -> tuple[bool, int, int, int]:
        return (not self.default, number_of(self.to), self.prefix, self.metric)


def routes(*query: str) -> list[Route]:
    """The main table, or the part that `ip route show` gives for ``query``, in a Mac's order."""
    said = ip("route", "show", *query)[1]
    return sorted((Route(line) for line in said.splitlines() if line), key=lambda r: r.order)


class Neighbour:
    """One entry of the ARP table."""

    def __init__(self, words: list[str]) -> None:
        self.address = words[0]
        self.device = mac_name(words[words.index("dev") + 1])
        self.mac = words[words.index("lladdr") + 1] if "lladdr" in words else ""
        self.permanent = words[-1] == "PERMANENT"


def neighbours() -> list[Neighbour]:
    lines = ip("neigh")[1].splitlines()
    known = [Neighbour(line.split()) for line in lines if " dev " in line]
    return sorted(known, key=lambda n: number_of(n.address))


def mac_name(name: str) -> str:
    return "lo0" if name == "lo" else name


def linux_name(name: str) -> str:
    return "lo" if name == "lo0" else name


def short_mac(mac: str, separator: str = ":") -> str:
    """A hardware address as BSD prints it: no leading zeros."""
    return separator.join(f"{int(byte, 16):x}" for byte in mac.split(":"))
