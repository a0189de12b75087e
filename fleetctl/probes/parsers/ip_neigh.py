"""``ip neigh`` of iproute2, as JSON or as text."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from msgspec import Struct

from fleetctl.model.network import Neighbour, NeighbourState
from fleetctl.probes.parsers import address, json_text
from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.unparsed import Unparsed

_STATES: dict[str, NeighbourState] = {
    # STALE and DELAY: a neighbour without recent traffic, no fault
    **dict.fromkeys(("REACHABLE", "STALE", "DELAY", "PROBE", "NOARP", "PERMANENT"), "known"),
    "INCOMPLETE": "incomplete",
    "FAILED": "failed",
}


class Entry(Struct, frozen=True):
    """One entry, of IPv4 or IPv6."""

    address: str
    interface: str
    mac: str | None
    state: str
    """The kernel's word: ``REACHABLE``, ``STALE``, ..."""

    def neighbour(self) -> Neighbour | None:
        """None for IPv6, and for the state ``NONE``."""
        four, state = address.ipv4(self.address), _STATES.get(self.state)
        if four is None or state is None:
            return None
        return Neighbour(
            address=four,
            interface=self.interface,
            mac=self.mac,
            state=state,
            reachable=self.state == "REACHABLE",
        )


def parse_ip_neigh(text: str) -> tuple[Neighbour, ...] | Unparsed:
    """The IPv4 neighbours in ``text``."""
    entries = parse_entries(text)
    if isinstance(entries, Unparsed):
        return entries
    return tuple(found for entry in entries if (found := entry.neighbour()) is not None)


def parse_entries(text: str) -> tuple[Entry, ...] | Unparsed:
    """The IPv4 and IPv6 neighbours in ``text``, without proxies."""
    objects = json_text.objects(text)
    if objects is not None:
        return tuple(entry for entry in map(_from_json, objects) if entry is not None)
    if json_text.looks_like_json(text):
        return unparsed(text, "bad_json")
    found = tuple(entry for entry in map(_from_line, text.splitlines()) if entry is not None)
    return found or unparsed(text)


def _from_json(item: dict[str, Any]) -> Entry | None:
    states = json_text.strings(item.get("state"))
    return _entry(
        json_text.string(item.get("dst")),
        json_text.string(item.get("dev")),
        json_text.string(item.get("lladdr")),
        states[0] if states else json_text.string(item.get("state")),
    )


def _from_line(line: str) -> Entry | None:
    words = line.split()
    if len(words) < 4:
        return None
    said = dict(pairwise(words[1:]))
    return _entry(words[0], said.get("dev"), said.get("lladdr"), words[-1])


def _entry(
    to: str | None, interface: str | None, mac: str | None, state: str | None
) -> Entry | None:
    known = address.ipv4(to) is not None or address.ipv6(to) is not None
    if to is None or not known or interface is None or state not in (*_STATES, "NONE"):
        return None
    return Entry(address=to, interface=interface, mac=address.mac(mac), state=state)
