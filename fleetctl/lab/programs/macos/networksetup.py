"""networksetup(8): network services by name; errors go to stdout, as on a Mac."""

from __future__ import annotations

import os

from ..node import (
    IP,
    Machine,
    complain,
    machine,
    mask_of,
    number_of,
    prefix_of,
    read,
    run,
    say,
    write,
)
from . import kernel, services
from .kernel import BRIDGE_MEMBERS
from .services import Service

BUILT_IN = {"Ethernet": "en0", "Wi-Fi": "en1", "Thunderbolt Bridge": "bridge0"}
NO_ROOT = 14
WRONG = 4
INVALID = "** Error: The parameters were not valid."
DISABLED = "An asterisk (*) denotes that a network service is disabled."


def main(argv: list[str], _name: str) -> int:
    if not argv or not argv[0].startswith("-"):
        complain("networksetup: see networksetup -help")
        return WRONG
    verb, words = argv[0][1:].lower(), argv[1:]
    known = services.parse(read(services.FILE))
    about = machine()
    if verb == "listallhardwareports":
        return _hardware(known, about)
    if verb == "listnetworkserviceorder":
        return _order(known)
    if verb == "listallnetworkservices":
        say(DISABLED)
        for service in known:
            say(("" if service.enabled else "*") + service.name)
        return 0
    if verb == "getcurrentlocation":
        say("Automatic")
        return 0
    if verb == "listlocations":
        say("Automatic")
        return 0
    if verb == "getairportnetwork":
        say("You are not associated with an AirPort network.")  # even when associated
        return 0
    if verb == "createnetworkservice":
        return _create(known, words, about)
    change = VERBS.get(verb)
    if change is None:
        say(f"** Error: The command {argv[0]} is not known.\n")
        return WRONG
    if not words:
        say(f"{INVALID}\nUsage: networksetup {argv[0]} <networkservice> ...")
        return WRONG
    named = [s for s in known if s.name == words[0]]
    if not named:
        say(f"{words[0]} is not a recognized network service.\n{INVALID}")
        return WRONG
    if verb.startswith(("set", "remove")) and os.geteuid() != 0:
        return _no_root()
    service = named[0]
    before = services.route_lines(service)
    if verb == "removenetworkservice":
        known.remove(service)
    status = change(service, words[1:], about)
    if verb.startswith(("set", "remove")) and status == 0:
        write(services.FILE, services.text_of(known))
        _apply(service, before, about, only_routes=verb == "setadditionalroutes")
    return status


def _no_root() -> int:
    say("** Error: Command requires admin privileges.")
    return NO_ROOT


def _create(known: list[Service], words: list[str], about: Machine) -> int:
    """A new service with DHCP, at the end of the order; its port may be given by its device."""
    if os.geteuid() != 0:
        return _no_root()
    if len(words) != 2 or not words[0]:
        say(f"{INVALID}\nUsage: networksetup -createnetworkservice <name> <hardwareport>")
        return WRONG
    name, port = words
    if name in [service.name for service in known]:
        say(f"** Error: There is already a network service named {name}.")
        return WRONG
    devices = {**BUILT_IN, **{s.port: s.device for s in known}}
    device = devices.get(port, port)
    if device not in (*devices.values(), *(p.device for p in about.ports)):
        say(f"{port} is not a valid hardware port.\n{INVALID}")
        return WRONG
    named = next((n for n, d in devices.items() if d == device), device)
    service = Service("\t".join([name, named, device, "on", "dhcp", "", "", "", ""]))
    write(services.FILE, services.text_of([*known, service]))
    _apply(service, [], about, only_routes=False)
    return 0


def _hardware(known: list[Service], about: Machine) -> int:
    macs = {card.name: card.mac for card in kernel.interfaces()}
    for port, device in {**BUILT_IN, **{s.port: s.device for s in known}}.items():
        say(f"\nHardware Port: {port}\nDevice: {device}")
        say(f"Ethernet Address: {macs.get(device) or 'N/A'}")
    base = about.values.get("thunderbolt_mac", "36:00:00:00:00:40")
    for number, device in enumerate(BRIDGE_MEMBERS, 1):
        mac = f"{base[:-1]}{4 * number:x}" if 4 * number < 16 else base
        say(f"\nHardware Port: Thunderbolt {number}\nDevice: {device}\nEthernet Address: {mac}")
    say("\nVLAN Configurations\n===================")
    return 0


def _order(known: list[Service]) -> int:
    say(DISABLED)
    for number, service in enumerate(known, 1):
        say(f"({number if service.enabled else '*'}) {service.name}")
        say(f"(Hardware Port: {service.port}, Device: {service.device})\n")
    return 0


def _getinfo(service: Service, _words: list[str], about: Machine) -> int:
    card = next((c for c in kernel.interfaces() if c.name == service.device), None)
    port = next((p for p in about.ports if p.device == service.device), None)
    if service.method == "dhcp":
        say("DHCP Configuration")
        if card and card.up and card.active and card.addresses:
            address, prefix = card.addresses[0]
            say(f"IP address: {address}\nSubnet mask: {mask_of(prefix)}")
            say(f"Router: {(port.gateway if port else '') or 'none'}")
        say("Client ID: ")
    elif service.method == "manual":
        say(f"Manual Configuration\nIP address: {service.addresses[0]}")
        say(f"Subnet mask: {service.mask}\nRouter: {service.router or '(null)'}")
    say("IPv6: Automatic\nIPv6 IP address: none\nIPv6 Router: none")
    kind = "Wi-Fi ID" if service.port == "Wi-Fi" else "Ethernet Address"
    say(f"{kind}: {(card.mac if card else '') or '(null)'}")
    return 0


def _setmanual(service: Service, words: list[str], _about: Machine) -> int:
    if len(words) not in (2, 3) or not all(map(_is_address, words[:1] + words[2:])):
        say(INVALID)
        return WRONG
    if prefix_of(words[1]) is None:
        say(f"{words[1]} is not a valid subnet mask.\n{INVALID}")
        return WRONG
    service.method = "manual"
    service.addresses, service.mask = [words[0]], words[1]
    service.router = words[2] if len(words) == 3 else ""
    return 0


def _setdhcp(service: Service, _words: list[str], _about: Machine) -> int:
    service.method = "dhcp"
    service.addresses, service.mask, service.router = [], "", ""
    return 0


def _setoff(service: Service, _words: list[str], _about: Machine) -> int:
    service.method = "off"
    return 0


def _setenabled(service: Service, words: list[str], _about: Machine) -> int:
    if words not in (["on"], ["off"]):
        say(INVALID)
        return WRONG
    service.enabled = words == ["on"]
    return 0


def _getroutes(service: Service, _words: list[str], _about: Machine) -> int:
    if not service.routes:
        say(f"There are no additional IPv4 routes on {service.name}.")
    for route in service.routes:
        say(" ".join(route))
    return 0


def _setroutes(service: Service, words: list[str], _about: Machine) -> int:
    """Replace the whole list; without routes, empty it."""
    triples = [tuple(words[i : i + 3]) for i in range(0, len(words), 3)]
    for triple in triples:
        if len(triple) != 3 or not all(map(_is_address, triple)) or prefix_of(triple[1]) is None:
            say(INVALID)
            return WRONG
    service.routes = triples
    return 0


def _remove(service: Service, _words: list[str], _about: Machine) -> int:
    service.enabled = False  # its interface is set up no longer
    return 0


VERBS = {
    "getinfo": _getinfo,
    "setmanual": _setmanual,
    "setdhcp": _setdhcp,
    "setv4off": _setoff,
    "removenetworkservice": _remove,
    "setnetworkserviceenabled": _setenabled,
    "getadditionalroutes": _getroutes,
    "setadditionalroutes": _setroutes,
}


def _apply(service: Service, before: list[str], about: Machine, *, only_routes: bool) -> None:
    port = next((p for p in about.ports if p.device == service.device), None)
    if port is None:
        return  # no cable is connected to it
    if only_routes:
        after = services.route_lines(service)
        lines = [f"route del {line}" for line in before if line not in after]
        lines += [f"route replace {line}" for line in after]
    else:
        lines = services.activation(service, port)
    run(IP, "-force", "-batch", "-", stdin="".join(f"{line}\n" for line in lines))


def _is_address(text: str) -> bool:
    try:
        number_of(text)
    except ValueError:
        return False
    return True
