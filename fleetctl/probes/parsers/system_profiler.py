"""``system_profiler SPThunderboltDataType -json`` of macOS: a bus for each port, with its devices.

Only a device with a domain UUID is another Mac; displays and disks have none (as in ml-explore/mlx,
config.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from fleetctl.patterns import pattern
from fleetctl.probes.parsers import json_text
from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.unparsed import Unparsed

_RECEPTACLE = pattern(r"receptacle_\d{1,3}_tag")
_DEPTH = 8  # devices in a chain


class ThunderboltPort(Struct, frozen=True):
    """One receptacle, and the Mac at the other end of its cable."""

    bus: str | None
    receptacle: str | None
    """The number in the port's name, "Thunderbolt 3", in ``networksetup -listallhardwareports``."""
    speed: str | None
    """As printed: ``40 Gb/s``, or ``Up to 40 Gb/s`` without a cable."""
    domain_uuid: str | None
    """This Mac's own."""
    peer_uuid: str | None = None
    peer_name: str | None = None


def parse_thunderbolt(text: str) -> tuple[ThunderboltPort, ...] | Unparsed:
    """The receptacles in ``text``, in its order."""
    for value in json_text.json_values(text):
        buses = value.get("SPThunderboltDataType") if isinstance(value, dict) else None
        if isinstance(buses, list):
            return tuple(port for bus in buses if isinstance(bus, dict) for port in _ports(bus))
    return unparsed(text, "bad_json" if json_text.looks_like_json(text) else "unrecognised")


def _ports(bus: dict[str, Any]) -> Iterator[ThunderboltPort]:
    tags = [tag for key, tag in bus.items() if _RECEPTACLE.fullmatch(key) and isinstance(tag, dict)]
    connected = [tag for tag in tags if tag.get("receptacle_status_key") == "receptacle_connected"]
    peer = next(_macs(bus, _DEPTH), None)
    for tag in tags:
        # on a bus with two receptacles the peer is at the connected one
        here = peer if len(tags) == 1 or connected == [tag] else None
        yield ThunderboltPort(
            bus=json_text.string(bus.get("_name")),
            receptacle=json_text.string(tag.get("receptacle_id_key")),
            speed=json_text.string(tag.get("current_speed_key")),
            domain_uuid=json_text.string(bus.get("domain_uuid_key")),
            peer_uuid=None if here is None else json_text.string(here.get("domain_uuid_key")),
            peer_name=None if here is None else json_text.string(here.get("device_name_key")),
        )


def _macs(item: dict[str, Any], depth: int) -> Iterator[dict[str, Any]]:
    inner = item.get("_items")
    for found in inner if isinstance(inner, list) and depth else ():
        if isinstance(found, dict):
            if json_text.string(found.get("domain_uuid_key")) is not None:
                yield found
            yield from _macs(found, depth - 1)
