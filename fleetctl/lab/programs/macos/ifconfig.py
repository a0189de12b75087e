"""ifconfig(8): interfaces of this machine, and the most common changes."""

from __future__ import annotations

import os

from ..node import (
    Machine,
    broadcast_of,
    complain,
    ip,
    machine,
    mask_number,
    number_of,
    prefix_of,
    say,
)
from . import kernel

UP, BROADCAST, LOOPBACK, RUNNING = 0x1, 0x2, 0x8, 0x40
SMART, SIMPLEX, MULTICAST = 0x20, 0x800, 0x8000
NAMES = (
    (UP, "UP"),
    (BROADCAST, "BROADCAST"),
    (SMART, "SMART"),
    (LOOPBACK, "LOOPBACK"),
    (RUNNING, "RUNNING"),
    (SIMPLEX, "SIMPLEX"),
    (MULTICAST, "MULTICAST"),
)
NO_CARD = ("gif0: flags=8010<POINTOPOINT,MULTICAST> mtu 1280", "stf0: flags=0<> mtu 1280")
FIRST_MEMBER_PORT = 8
Cards = dict[str, kernel.Interface]


def main(argv: list[str], _name: str) -> int:
    words = [word for word in argv if word not in ("-v", "-L", "-m", "-r")]
    about = machine()
    cards = {card.name: card for card in kernel.interfaces()}
    if not words or words == ["-a"]:
        _all(cards, about)
        return 0
    if words == ["-l"]:
        say(" ".join(_names(cards)))
        return 0
    if words[0].startswith("-"):
        complain(f"ifconfig: illegal option -- {words[0][1:2]}")
        return 1
    name, *rest = words
    if name not in _names(cards):
        complain(f"ifconfig: interface {name} does not exist")
        return 1
    if rest and rest != ["inet"]:
        return _change(name, rest, cards)
    if name in cards:
        _show(cards[name], about)
    else:
        _show_empty(name)
    return 0


def _names(cards: Cards) -> list[str]:
    return sorted({"lo0", "en0", *cards, *kernel.BRIDGE_MEMBERS}, key=lambda n: (n[:2] != "lo", n))


def _all(cards: Cards, about: Machine) -> None:
    for name in _names(cards):
        if name in cards:
            _show(cards[name], about)
        else:
            _show_empty(name)
        if name == "lo0":
            for line in NO_CARD:
                say(line)


def _flags(number: int) -> str:
    return f"flags={number:x}<{','.join(name for bit, name in NAMES if number & bit)}>"


def _show(card: kernel.Interface, about: Machine) -> None:
    if card.name == "lo0":
        say(f"lo0: {_flags(MULTICAST | LOOPBACK | RUNNING | card.up)} mtu 16384")
        say("\toptions=1203<RXCSUM,TXCSUM,TXSTATUS,SW_TIMESTAMP>")
        for address, prefix in card.addresses:
            say(f"\tinet {address} netmask {mask_number(prefix):#010x}")
        say("\tinet6 ::1 prefixlen 128 ")
        say("\tnd6 options=201<PERFORMNUD,DAD>")
        return
    bits = BROADCAST | SMART | SIMPLEX | MULTICAST | (UP | RUNNING if card.up else 0)
    say(f"{card.name}: {_flags(bits)} mtu {card.mtu}")
    bridge = card.name.startswith("bridge")
    say(
        "\toptions=63<RXCSUM,TXCSUM,TSO4,TSO6>"
        if bridge
        else "\toptions=6460<TSO4,TSO6,CHANNEL_IO>"
    )
    say(f"\tether {card.mac}")
    for address, prefix in card.addresses:
        broadcast = broadcast_of(address, prefix)
        say(f"\tinet {address} netmask {mask_number(prefix):#010x} broadcast {broadcast}")
    if bridge:
        _show_bridge(card)
    say("\tnd6 options=201<PERFORMNUD,DAD>")
    wired = not bridge and next((p for p in about.ports if p.device == card.name), None)
    if bridge:
        say("\tmedia: <unknown type>")
    elif wired and wired.kind != "wifi" and card.active:
        say("\tmedia: autoselect <full-duplex>")  # what is beneath has no speed
    else:
        say("\tmedia: autoselect")
    say(f"\tstatus: {'active' if card.up and card.active else 'inactive'}")


def _show_bridge(card: kernel.Interface) -> None:
    say("\tConfiguration:")
    say("\t\tid 0:0:0:0:0:0 priority 0 hellotime 0 fwddelay 0")
    say("\t\tmaxage 0 holdcnt 0 proto stp maxaddr 100 timeout 1200")
    say("\t\troot id 0:0:0:0:0:0 priority 0 ifcost 0 port 0")
    say("\t\tipfilter disabled flags 0x0")
    members = kernel.BRIDGE_MEMBERS if card.name == "bridge0" else ()
    for number, member in enumerate(members, FIRST_MEMBER_PORT):
        say(f"\tmember: {member} flags=3<LEARNING,DISCOVER>")
        say(f"\t        ifmaxaddr 0 port {number} priority 0 path cost 0")
    known = [n for n in kernel.neighbours() if n.device == card.name and n.mac]
    if known:
        say("\tAddress cache:")
    for near in known:
        member = members[0] if members else card.name
        say(f"\t\t{kernel.short_mac(near.mac)} Vlan1 {member} 1198 flags=0<>")


def _show_empty(name: str) -> None:
    """Show a port of a Mac mini without a cable."""
    say(f"{name}: {_flags(UP | BROADCAST | SMART | RUNNING | SIMPLEX | MULTICAST)} mtu 1500")
    say("\toptions=460<TSO4,TSO6,CHANNEL_IO>")
    say("\tnd6 options=201<PERFORMNUD,DAD>")
    say(
        "\tmedia: autoselect <full-duplex>"
        if name in kernel.BRIDGE_MEMBERS
        else "\tmedia: autoselect (none)"
    )
    say("\tstatus: inactive")


def _change(name: str, words: list[str], cards: Cards) -> int:
    if os.geteuid() != 0:
        complain("ifconfig: ioctl (SIOCSIFFLAGS): Operation not permitted")
        return 1
    device = kernel.linux_name(name)
    if words in (["up"], ["down"]):
        return _done(ip("link", "set", device, words[0]))
    if words[:1] == ["mtu"] and len(words) == 2:
        return _done(ip("link", "set", device, "mtu", words[1]))
    marks = {"alias", "-alias", "add", "delete", "remove"} & set(words)
    words = [word for word in words if word != "inet" and word not in marks]
    if not words:
        return 0
    address, _, prefix = words[0].partition("/")
    try:
        number_of(address)
    except ValueError:
        complain(f"ifconfig: {words[0]}: bad value")
        return 1
    if {"-alias", "delete", "remove"} & marks:
        known = dict(cards[name].addresses) if name in cards else {}
        if address not in known:
            complain("ifconfig: ioctl (SIOCDIFADDR): Can't assign requested address")
            return 1
        return _done(ip("address", "del", f"{address}/{known[address]}", "dev", device))
    length: int | None = int(prefix) if prefix.isdigit() else None
    if "netmask" in words:
        length = prefix_of(words[words.index("netmask") + 1])
    elif length is None:
        first = int(address.partition(".")[0])
        length = 8 if first < 128 else 16 if first < 192 else 24
    if length is None:
        complain("ifconfig: netmask: bad value")
        return 1
    if not marks:
        ip("address", "flush", "dev", device)
    add = ("address", "replace", f"{address}/{length}", "broadcast", "+", "dev", device)
    status = _done(ip(*add)) or _done(ip("link", "set", device, "up"))
    # On a Mac an address is there once: given again, it gets the new mask.
    for there, former in cards[name].addresses if marks and name in cards else ():
        if there == address and former != length:
            ip("address", "del", f"{address}/{former}", "dev", device)
    return status


def _done(answer: tuple[int, str]) -> int:
    status, said = answer
    if status:
        complain(f"ifconfig: {said.strip()}")
    return 1 if status else 0
