"""netstat(1): the routing table as Apple's netstat/route.c prints it, and TCP sockets."""

from __future__ import annotations

from ..node import complain, dotted, mask_number, number_of, read, say
from . import kernel, sockets

FIRST_MEMBER = 100
"""The number of the link of the first of the bridge's members."""
_NOTHING = ["0"] * 16
USAGE = "usage: netstat [-rn] [-an -p tcp] [-ib] [-f inet]"


def main(argv: list[str], _name: str) -> int:
    flags = ""
    family = protocol = ""
    wanted = iter(argv)
    for word in wanted:
        if not word.startswith("-"):
            complain(USAGE)
            return 1
        for position, letter in enumerate(word[1:], 1):
            if letter in "fpI":
                value = word[position + 1 :] or next(wanted, "")
                if letter == "f":
                    family = value
                elif letter == "p":
                    protocol = value
                break
            if letter not in "Aabdgilmnqrsvw":
                complain(f"netstat: illegal option -- {letter}\n{USAGE}")
                return 1
            flags += letter
    if family not in ("", "inet", "inet6", "unix"):
        complain(f"netstat: {family}: unknown address family")
        return 1
    if "r" in flags:
        _routing_table(family)
    elif "i" in flags:
        _interfaces()
    elif protocol and protocol not in ("tcp", "udp"):
        complain(f"netstat: {protocol}: unknown or uninstrumented protocol")
        return 1
    elif protocol != "udp":
        _sockets("a" in flags)
    return 0


def _line(to: str, gateway: str, flags: str, device: str, expire: str) -> str:
    # The widths of macOS 14 and later; the interface is right-aligned.
    return f"{to:18} {gateway:18} {flags:12} {device:>14} {expire:>6}"


def _routing_table(family: str) -> None:
    say("Routing tables")
    if family in ("", "inet"):
        say("\nInternet:")
        say("Destination        Gateway            Flags               Netif Expire")
        for row in _ipv4():
            say(_line(*row[1]))
    if family in ("", "inet6"):
        say("\nInternet6:")
        say(
            "Destination                             Gateway                                 "
            "Flags               Netif Expire"
        )
        say(f"{'::1':39} {'::1':39} {'UHL':12} {'lo0':>14}       ")


Row = tuple[tuple[bool, int, int], tuple[str, str, str, str, str]]


def _ipv4() -> list[Row]:
    cards = {card.name: card for card in kernel.interfaces()}
    rows: list[Row] = [
        _row("127.0.0.0", 8, ("127", "127.0.0.1", "UCS", "lo0", "")),
        _row("127.0.0.1", 32, ("127.0.0.1", "127.0.0.1", "UH", "lo0", "")),
    ]
    for card in cards.values():
        if card.name != "lo0" and card.up:
            for address, _ in card.addresses:
                shown = (f"{address}/32", f"link#{card.index}", "UCS", card.name, "!")
                rows.append(_row(address, 31, shown))
    seen = set()
    for route in kernel.routes():
        # A Mac keeps one default per interface; all but the first are scoped.
        key = (route.to, route.prefix)
        scoped = "I" if key in seen else ""
        seen.add(key)
        if route.default:
            to, flags = "default", "UGScg" if not scoped else "UGScIg"
        else:
            to = "" if route.prefix == 32 else short_network(route.to, route.prefix)
            flags = ("UGHS" if route.prefix == 32 else "UGSc") + scoped
        if route.kind:
            rows.append(
                _row(route.to, route.prefix, (to or route.to, "127.0.0.1", "UGSB", "lo0", ""))
            )
        elif route.via:
            shown = (to or route.to, route.via, flags, route.device, "")
            rows.append(_row(route.to, route.prefix, shown))
        else:
            index = cards[route.device].index if route.device in cards else 0
            flags = "UC" if route.device.startswith("bridge") else "UCS"
            shown = (to or route.to, f"link#{index}", flags, route.device, "!")
            rows.append(_row(route.to, route.prefix, shown))
    for near in kernel.neighbours():
        separator = "." if near.device.startswith("bridge") else ":"
        if near.mac:
            mac = kernel.short_mac(near.mac, separator)
            flags, expire = ("UHLS", "") if near.permanent else ("UHLWIi", "1194")
            rows.append(_row(near.address, 33, (near.address, mac, flags, near.device, expire)))
        else:
            index = cards[near.device].index if near.device in cards else 0
            shown = (near.address, f"link#{index}", "UHRLWI", near.device, "!")
            rows.append(_row(near.address, 33, shown))
    return sorted(rows, key=lambda row: row[0])


def _row(address: str, prefix: int, shown: tuple[str, str, str, str, str]) -> Row:
    return ((shown[0] != "default", number_of(address), prefix), shown)


def short_network(address: str, prefix: int) -> str:
    """A network as netstat's netname() prints it: without trailing zeros and classful mask."""
    number = number_of(address) & mask_number(prefix)
    octets = dotted(number).split(".")
    while len(octets) > 1 and octets[-1] == "0":
        octets.pop()
    first = number >> 24
    classful = 8 if first < 128 else 16 if first < 192 else 24
    if prefix == classful and len(octets) <= classful // 8:
        while len(octets) < classful // 8:
            octets.append("0")
        return ".".join(octets)
    if first >= 128 and len(octets) == 1:
        octets.append("0")  # 128.0/1
    return f"{'.'.join(octets)}/{prefix}"


def _sockets(everything: bool) -> None:
    say(
        "Active Internet connections (including servers)"
        if everything
        else "Active Internet connections"
    )
    say(
        f"{'Proto':5} {'Recv-Q':6} {'Send-Q':6}  "
        f"{'Local Address':22} {'Foreign Address':22} (state)    "
    )
    for one in sockets.tcp():
        if one.state == "LISTEN" and not everything:
            continue
        local, remote = _end(one.local), _end(one.remote)
        name = {"4": "tcp4", "6": "tcp6", "46": "tcp46"}[one.family]
        say(f"{name:5}  {one.received:5}  {one.sent:5}  {local:22} {remote:22} {one.state:11}")


def _end(end: tuple[str, int]) -> str:
    address, port = end
    return f"{address if address not in ('0.0.0.0', '::') else '*'}.{port or '*'}"


def _interfaces() -> None:
    say(
        f"{'Name':11} {'Mtu':5} {'Network':13} {'Address':17} {'Ipkts':>9} {'Ierrs':>5} "
        f"{'Ibytes':>12} {'Opkts':>9} {'Oerrs':>5} {'Obytes':>12} {'Coll':>5}"
    )
    counters = {}
    for line in read("/.lab/proc/net/dev").splitlines()[2:]:
        name, _, numbers = line.partition(":")
        counters[kernel.mac_name(name.strip())] = numbers.split()
    for card in kernel.interfaces():
        tail = _counted(counters.get(card.name, _NOTHING))
        star = "" if card.up else "*"
        say(f"{card.name + star:11} {card.mtu:<5} {f'<Link#{card.index}>':13} {card.mac:17} {tail}")
        for address, prefix in card.addresses:
            network = short_network(address, prefix)
            say(f"{card.name:11} {card.mtu:<5} {network:13} {address:17} {tail}")
        if card.name == "bridge0":  # the cable at it is at its first member
            for place, member in enumerate(kernel.BRIDGE_MEMBERS):
                tail = _counted(_NOTHING if place else counters.get(card.name, _NOTHING))
                link = f"<Link#{FIRST_MEMBER + place}>"
                say(f"{member:11} {card.mtu:<5} {link:13} {card.mac:17} {tail}")


def _counted(n: list[str]) -> str:
    """The columns of counters, from a line of /proc/net/dev."""
    return f"{n[1]:>9} {n[2]:>5} {n[0]:>12} {n[9]:>9} {n[10]:>5} {n[8]:>12} {n[13]:>5}"
