"""route(8): shows and changes the real routing table; exits with 0 also on errors, as route.c."""

from __future__ import annotations

import os

from ..node import SYS, complain, ip, mask_of, network_of, number_of, prefix_of, read, say
from . import kernel

USAGE = "usage: route [-nqv] [add|delete|change|get|flush|monitor] [-net|-host] ..."
GATEWAY = "UP,GATEWAY,DONE,STATIC,PRCLONING,GLOBAL"
METRICS = " recvpipe  sendpipe  ssthresh  rtt,msec    rttvar  hopcount      mtu     expire"


class BadAddress(Exception):
    """An argument is not an address."""


def main(argv: list[str], _name: str) -> int:
    words = list(argv)
    while words and words[0].startswith("-"):
        if set(words[0][1:]) - set("nqvtd"):
            complain(f"route: illegal option -- {words[0][1:2]}\n{USAGE}")
            return 64
        words.pop(0)
    if not words or words[0] not in ("get", "add", "delete", "change", "flush"):
        complain(f"route: bad keyword: {words[0]}" if words else USAGE)
        return 64
    verb, *rest = words
    if verb != "get" and os.geteuid() != 0:
        complain("route: must be root to alter routing table")
        return 77
    try:
        return _flush() if verb == "flush" else _act(verb, rest)
    except BadAddress as error:
        complain(f"route: bad address: {error}")
        return 68


def _act(verb: str, words: list[str]) -> int:
    places: list[str] = []
    kind = mask = device = ""
    wanted = iter(words)
    for word in wanted:
        if word in ("-net", "-host"):
            kind = word[1:]
        elif word in ("-netmask", "-prefixlen", "-ifscope"):
            value = next(wanted, "")
            if word != "-ifscope":
                mask = value
        elif word in ("-interface", "-iface"):
            device = next(wanted, "") if len(places) else ""
            if not device:
                continue
        elif not word.startswith("-"):
            places.append(word)
        elif word not in ("-inet", "-static", "-n", "-q"):
            complain(f"route: bad keyword: {word[1:]}\n{USAGE}")
            return 64
    if not places:
        complain(USAGE)
        return 64
    to, prefix = _destination(places[0], mask, kind)
    if verb == "get":
        return _get(places[0], to)
    gateway = places[1] if len(places) > 1 else ""
    if gateway:
        _check(gateway)
    return _change(verb, places[0], to, prefix, gateway, device)


def _destination(text: str, mask: str, kind: str) -> tuple[str, int]:
    if text == "default":
        return "0.0.0.0", 0
    address, _, prefix = text.partition("/")
    parts = address.split(".")
    if kind == "net" or prefix:  # 10.10 is 10.10.0.0
        address = ".".join([*parts, "0", "0", "0"][:4])
    _check(address)
    if prefix.isdigit():
        return address, int(prefix)
    if mask:
        ones = int(mask) if mask.isdigit() else prefix_of(mask)
        if ones is None:
            raise BadAddress(mask)
        return address, ones
    first = int(parts[0])
    classful = 8 if first < 128 else 16 if first < 192 else 24
    return address, classful if kind == "net" else 32


def _check(address: str) -> None:
    try:
        number_of(address)
    except ValueError:
        raise BadAddress(address) from None


def _change(verb: str, text: str, to: str, prefix: int, gateway: str, device: str) -> int:
    kind = "host" if prefix == 32 else "net"
    shown = "default" if text == "default" else text.partition("/")[0]
    network = f"{network_of(to, prefix)}/{prefix}"
    way = ["via", gateway] if gateway else ["dev", kernel.linux_name(device)] if device else []
    there = kernel.routes("exact", network)
    if verb == "delete":
        status, said = ip("route", "del", network, *(way if gateway else []))
        error = "" if status == 0 else "not in table"
    elif not way:
        status, error = 1, "Invalid argument"
    elif verb == "change" and not there:
        status, error = 1, "not in table"
    elif verb == "add" and there:
        status, error = 1, "File exists"
    else:
        # Keep the metric of the existing route: a Mac has no metrics.
        metric = str(there[0].metric) if there else "0"
        status, said = ip("route", "replace", network, *way, "metric", metric)
        error = "" if status == 0 else _reason(said)
    if error:
        complain(f"route: writing to routing socket: {error}")
    via = gateway or device
    told = f"{verb} {kind} {shown}" + (f": gateway {via}" if via else "")
    if error:
        told += f": {error}"
    say(told)
    return 0  # also on an error, as on a Mac


def _reason(said: str) -> str:
    for text in ("File exists", "Network is unreachable", "Operation not permitted"):
        if text in said:
            return text
    # "invalid gateway" is Linux's error for a next hop that is not on-link
    return "Network is unreachable" if "invalid gateway" in said.lower() else "Invalid argument"


def _flush() -> int:
    for route in kernel.routes():
        if route.via:
            ip("route", "del", f"{route.to}/{route.prefix}", "via", route.via)
    return 0


def _get(text: str, to: str) -> int:
    if text == "default":
        found = [route for route in kernel.routes("default") if route.via]
        if not found:
            return _missing()
        _print(text, "default", "default", found[0].via, found[0].device, GATEWAY)
        return 0
    status, said = ip("route", "get", "fibmatch", to)
    if status != 0 or not said.strip():
        return _missing()
    route = kernel.Route(said.splitlines()[0])
    if route.kind == "local":
        _print(to, to, "", "", "lo0", "UP,HOST,DONE,LLINFO,WASCLONED,LOCAL,IFSCOPE,IFREF")
    elif route.kind and route.kind != "broadcast":
        return _missing()
    elif not route.via:
        _print(to, to, "", "", route.device, "UP,HOST,DONE,LLINFO,WASCLONED,IFSCOPE,IFREF")
    elif route.prefix == 32:
        _print(to, to, "", route.via, route.device, GATEWAY.replace("DONE", "HOST,DONE"))
    else:
        mask = "default" if route.default else mask_of(route.prefix)
        name = "default" if route.default else route.to
        _print(to, name, mask, route.via, route.device, GATEWAY)
    return 0


def _missing() -> int:
    complain("route: writing to routing socket: not in table")
    return 0


def _print(to: str, destination: str, mask: str, gateway: str, device: str, flags: str) -> None:
    say(f"   route to: {to}")
    say(f"destination: {destination}")
    if mask:
        say(f"       mask: {mask}")
    if gateway:
        say(f"    gateway: {gateway}")
    say(f"  interface: {device}")
    say(f"      flags: <{flags}>")
    mtu = int(read(f"{SYS}/class/net/{kernel.linux_name(device)}/mtu") or 1500)
    say(METRICS)
    # recvpipe to hopcount, mtu, expire
    say(f"{0:8}" + f"{0:10}" * 5 + f"{mtu:10}{0:10}")
