"""system_profiler(8): the Thunderbolt tree, with the Macs at the other ends of the cables."""

from __future__ import annotations

from typing import Any

from ..node import complain, machine, say
from . import kernel

BUSES = 3
"""A Mac mini has three Thunderbolt ports, each with a bus of its own."""


def main(argv: list[str], _name: str) -> int:
    kinds = [word for word in argv if not word.startswith("-")]
    if "-listDataTypes" in argv:
        say("Available Datatypes:\nSPThunderboltDataType")
        return 0
    if kinds != ["SPThunderboltDataType"]:
        complain("system_profiler: this Mac tells only of SPThunderboltDataType")
        return 1
    tree = _tree()
    if "-json" in argv:
        import json

        say(json.dumps({"SPThunderboltDataType": tree}, indent=2))
        return 0
    say("Thunderbolt/USB4:\n")
    for bus in tree:
        say(f"    Thunderbolt/USB4 Bus {bus['_name'][-1]}:\n")
        say("      Vendor Name: Apple Inc.\n      Device Name: Mac mini")
        for item in bus.get("_items", ()):
            say(f"\n        {item['_name']}:\n\n          Vendor Name: Apple Inc.")
        say("")
    return 0


def _tree() -> list[dict[str, Any]]:
    about = machine()
    cards = {card.name: card for card in kernel.interfaces()}
    buses = []
    for number in reversed(range(BUSES)):
        peer = next((p for p in about.peers if p[0] == str(number)), None)
        domain = about.values.get(f"domain{number}", "")
        if peer is not None and not (cards.get(peer[1]) and cards[peer[1]].active):
            peer = None  # no carrier
        status = "receptacle_connected" if peer else "receptacle_no_devices_connected"
        bus: dict[str, Any] = {"_name": f"thunderboltusb4_bus_{number}"}
        if peer:
            bus["_items"] = [
                {
                    "_name": peer[2],
                    "device_id_key": "0xA",
                    "device_name_key": "Mac mini",
                    "domain_uuid_key": peer[3],
                    "services_title": [{"_name": "service_ip", "protocol_id_key": 1}],
                    "vendor_id_key": "0xA27",
                    "vendor_name_key": "Apple Inc.",
                }
            ]
        bus |= {
            "device_name_key": "Mac mini",
            "domain_uuid_key": domain,
            "receptacle_1_tag": {
                "current_speed_key": "40 Gb/s" if peer else "Up to 40 Gb/s",
                "link_status_key": "0x2" if peer else "0x7",
                "receptacle_id_key": str(number + 1),
                "receptacle_status_key": status,
            },
            "route_string_key": "0",
            "switch_uid_key": f"0x05AC{domain[:8]}",
            "vendor_name_key": "Apple Inc.",
        }
        buses.append(bus)
    return buses
