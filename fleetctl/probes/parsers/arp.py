"""``arp -an`` of macOS and of Linux net-tools."""

from __future__ import annotations

from ipaddress import IPv4Address

from msgspec import Struct

from fleetctl.model.network import Neighbour
from fleetctl.patterns import pattern
from fleetctl.probes.parsers import address
from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.unparsed import Unparsed

_LINE = pattern(r"(?P<name>\S+) \((?P<ip>[0-9.]{7,15})\) at (?P<rest>.+)")
_NONE = pattern(r"-- no entry\b|\bno match found|: no entries\b")


class Entry(Struct, frozen=True):
    """One entry of the ARP table."""

    address: IPv4Address
    name: str | None
    interface: str
    mac: str | None
    """None: requests for it were not answered."""
    permanent: bool

    def neighbour(self) -> Neighbour:
        return Neighbour(
            address=self.address,
            interface=self.interface,
            mac=self.mac,
            state="incomplete" if self.mac is None else "known",
        )


def parse_arp(text: str) -> tuple[Neighbour, ...] | Unparsed:
    """The neighbours in ``text``."""
    entries = parse_entries(text)
    if isinstance(entries, Unparsed):
        return entries
    return tuple(entry.neighbour() for entry in entries)


def parse_entries(text: str) -> tuple[Entry, ...] | Unparsed:
    """The entries in ``text``; empty text is an empty table."""
    found = tuple(entry for entry in map(_entry, text.splitlines()) if entry is not None)
    if found or not text.strip() or _NONE.search(text):
        return found
    return unparsed(text)


def _entry(line: str) -> Entry | None:
    match = _LINE.fullmatch(line.strip())
    if match is None:
        return None
    found = address.ipv4(match["ip"])
    words = match["rest"].split()
    if found is None or "on" not in words[:-1]:
        return None
    unanswered = words[0].strip("()<>") == "incomplete"
    mac = address.mac(words[0])
    if mac is None and not unanswered:
        return None
    return Entry(
        address=found,
        name=None if match["name"] == "?" else match["name"],
        interface=words[words.index("on") + 1],
        mac=mac,
        permanent="permanent" in words or "PERM" in words,
    )
