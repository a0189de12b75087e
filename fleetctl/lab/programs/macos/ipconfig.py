"""ipconfig(8): the address of an interface, and the state of its link."""

from __future__ import annotations

from ..node import complain, machine, mask_of, say
from . import kernel


def main(argv: list[str], _name: str) -> int:
    if len(argv) == 2 and argv[0] in ("getifaddr", "getsummary"):
        card = next((c for c in kernel.interfaces() if c.name == argv[1]), None)
        return _address(card) if argv[0] == "getifaddr" else _summary(card, argv[1])
    if argv[:1] == ["ifcount"]:
        say(str(sum(1 for card in kernel.interfaces() if card.addresses)))
        return 0
    complain(
        "usage: ipconfig <command> <args>\nwhere <command> is one of getifaddr, getsummary, ifcount"
    )
    return 1


def _address(card: kernel.Interface | None) -> int:
    if card is None or not card.addresses:
        return 1
    say(card.addresses[0][0])
    return 0


def _summary(card: kernel.Interface | None, name: str) -> int:
    if card is None:
        complain(f"ipconfig: interface {name} does not exist")
        return 1
    wireless = any(p.device == name and p.kind == "wifi" for p in machine().ports)
    linked = card.up and card.active
    say("<dictionary> {")
    if wireless and linked:
        say("  BSSID : <redacted>")
    if card.addresses:
        address, prefix = card.addresses[0]
        say("  IPv4 : <array> {\n    0 : <dictionary> {")
        say(f"      Addresses : <array> {{\n        0 : {address}\n      }}")
        say(f"      SubnetMasks : <array> {{\n        0 : {mask_of(prefix)}\n      }}")
        say("    }\n  }")
    say(f"  InterfaceType : {'WiFi' if wireless else 'Ethernet'}")
    say(f"  LinkStatusActive : {'TRUE' if linked else 'FALSE'}")
    if wireless and linked:
        say(
            "  SSID : <redacted>\n  Security : WPA2_PSK"
        )  # redacted since macOS 14.4 but for apps with permission
    say("}")
    return 0
