"""arp(8): the neighbour table."""

from __future__ import annotations

import os

from ..node import complain, ip, say
from . import kernel

USAGE = (
    "usage: arp [-n] [-i interface] hostname\n"
    "       arp [-n] [-i interface] -a\n"
    "       arp -d hostname | -d -a"
)


def main(argv: list[str], _name: str) -> int:
    flags, hosts = "", []
    wanted = iter(argv)
    device = ""
    for word in wanted:
        if word == "-i":
            device = next(wanted, "")
        elif word.startswith("-"):
            flags += word[1:]
        else:
            hosts.append(word)
    if set(flags) - set("adnlx") or not ("a" in flags or hosts):
        complain(USAGE)
        return 1
    if "d" in flags and os.geteuid() != 0:
        complain("arp: writing to routing socket: Operation not permitted")
        return 1
    known = [n for n in kernel.neighbours() if not device or n.device == device]
    for host in hosts:
        mine = [near for near in known if near.address == host]
        if not mine:
            say(f"{host} ({host}) -- no entry")
            return 1
        known = mine
    for near in known:
        if "d" in flags:
            ip("neigh", "del", near.address, "dev", kernel.linux_name(near.device))
            say(f"{near.address} ({near.address}) deleted")
        else:
            mac = kernel.short_mac(near.mac) if near.mac else "(incomplete)"
            kind = "bridge" if near.device.startswith("bridge") else "ethernet"
            permanent = " permanent" if near.permanent else ""
            say(f"? ({near.address}) at {mac} on {near.device} ifscope{permanent} [{kind}]")
    return 0
