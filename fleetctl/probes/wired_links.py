"""Which machines are at the other end of a node's Ethernet ports, also where none has an address.

ARP and neighbour discovery (RFC 826, RFC 4861) reach the link only, and need no root: a ping bound
to a port makes Linux ask that link for any address, and all machines answer an IPv6 ping to all
nodes (RFC 4443, 4.2). What answered then stands in the neighbour table, with its MAC address.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address

from fleetctl.model.network import Heard
from fleetctl.probes.parsers import address
from fleetctl.probes.parsers.ip_neigh import parse_entries
from fleetctl.probes.parsers.unparsed import Unparsed
from fleetctl.probes.script import Answer, Script, Texts, compose, read
from fleetctl.quoting import quote

_ALL_NODES = "ff02::1"
ANSWERS_S = 1
"""How long answers are waited for."""
MOST = 32
"""Addresses that are asked for at each port."""


def wired_script(ports: Sequence[str], addresses: Sequence[IPv4Address]) -> Script:
    """
    :param ports: interfaces of the node.
    :param addresses: those of machines that may be there, also self-assigned ones.
    """
    asked = addresses[:MOST]
    return compose(
        {
            "linux": Texts({"wired": "\n".join(_linux(ports, asked))}),
            "macos": Texts({"wired": "\n".join(_macos(ports, asked))}),
        }
    )


def read_wired(script: Script, output: str) -> tuple[Heard, ...]:
    """What answered; never raises, whatever the output is."""
    answers = read(script, output)
    answer, os = answers.by_name.get("wired"), answers.machine.known_os
    if answer is None or os is None:
        return ()
    return tuple(dict.fromkeys(_READERS[os](answer)))


def _linux(ports: Sequence[str], addresses: Sequence[IPv4Address]) -> Iterator[str]:
    for port in map(quote, ports):
        for one in addresses:
            yield f"ping -n -c 1 -W {ANSWERS_S} -I {port} {one} >/dev/null 2>&1 &"
        yield f"ping -6 -n -c 2 -i 0.3 -W {ANSWERS_S} -I {port} {_ALL_NODES} >/dev/null 2>&1 &"
    yield "wait; ip -j neigh show"


def _macos(ports: Sequence[str], addresses: Sequence[IPv4Address]) -> Iterator[str]:
    """ping6 has no limit of time, so it is ended."""
    for port in map(quote, ports):
        for one in addresses:
            yield f"ping -n -c 1 -t {ANSWERS_S} -b {port} {one} >/dev/null 2>&1 &"
        yield f"ping6 -n -c 2 -I {port} {_ALL_NODES} >/dev/null 2>&1 &"
    yield f"sleep {ANSWERS_S}; kill $(jobs -p) 2>/dev/null; wait"
    yield "arp -an; ndp -an"


def _read_linux(answer: Answer) -> Iterator[Heard]:
    entries = parse_entries(answer.text)
    for entry in () if isinstance(entries, Unparsed) else entries:
        if entry.mac and entry.state not in ("FAILED", "INCOMPLETE"):
            yield Heard(entry.interface, entry.mac)


def _read_macos(answer: Answer) -> Iterator[Heard]:
    """``? (IP) at MAC on PORT …`` of arp(8); ``IP%PORT MAC PORT …`` of ndp(8)."""
    for line in answer.text.splitlines():
        words = line.split()
        if len(words) > 5 and words[2] == "at" and words[4] == "on":
            mac, port = address.mac(words[3]), words[5]
        elif len(words) > 2 and address.ipv6(words[0]):
            mac, port = address.mac(words[1]), words[2]
        else:
            continue
        if mac is not None and "permanent" not in words:
            yield Heard(port, mac)


_READERS = {"linux": _read_linux, "macos": _read_macos}
