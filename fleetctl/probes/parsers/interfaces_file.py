"""``/etc/network/interfaces`` of ifupdown, with the files that it includes (interfaces(5))."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Interface

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.model.setup import IFUPDOWN_FOLDER, BootRoute, InterfaceSetup, OwnFile
from fleetctl.patterns import pattern
from fleetctl.probes.parsers import address

FILE = "/etc/network/interfaces"
_INCLUDES = pattern(
    r"^\s*source(?:-directory)?\s+(?:/etc/network/)?interfaces\.d(?:/\*)?/?\s*$", re.M
)
_PLAIN = pattern(r"[A-Za-z0-9_-]+")  # other names in such a folder are left out
_ROUTE = pattern(r"\bip (?:-4 )?route (?:add|replace) (\S+) via (\S+)")


class _Stanza(Struct):
    interface: str
    method: str
    address: str = ""
    netmask: str = ""
    routes: tuple[BootRoute, ...] = ()


def parse_interfaces(text: str) -> dict[str, InterfaceSetup]:
    """By interface: what it gets at boot. One without ``auto`` or ``allow-hotplug`` gets
    nothing."""
    started: set[str] = set()
    stanzas: list[_Stanza] = []
    now: _Stanza | None = None
    for line in re.sub(r"\\\n", " ", text).splitlines():
        match line.split():
            case ["auto" | "allow-hotplug" | "allow-auto", *names]:
                started.update(names)
                now = None
            case ["iface", name, "inet", method, *_]:
                now = _Stanza(name, method)
                stanzas.append(now)
            case ["iface" | "mapping" | "source" | "source-directory", *_]:
                now = None
            case ["address", value] if now:
                now.address = value
            case ["netmask", value] if now:
                now.netmask = value
            case ["gateway", value] if now and (via := address.ipv4(value)):
                now.routes += (BootRoute(address.EVERYWHERE, via),)
            case ["up" | "post-up", *_] if now and (found := _ROUTE.search(line)):
                to, via = address.network(found[1]), address.ipv4(found[2])
                now.routes += (BootRoute(to, via),) if to and via else ()
    setups: dict[str, InterfaceSetup] = {}
    for one in stanzas:
        name = one.interface
        known = setups.get(name, InterfaceSetup(name, "ifupdown", FILE))
        if name in started:
            own = _address(one)
            known = replace(
                known,
                dhcp=known.dhcp or one.method == "dhcp",
                addresses=(*known.addresses, own) if own else known.addresses,
                routes=(*known.routes, *one.routes),
            )
        setups[name] = known
    return setups


def own_file(base: InterfaceSetup, text: str, written: Mapping[str, str]) -> OwnFile | None:
    """Where fleetctl may add to ``base``: in the folder beside /etc/network/interfaces, if that
    includes it and brings the interface up.

    :param text: of all files.
    :param written: the texts of fleetctl's own files, by path.
    """
    name, path = base.interface, f"{IFUPDOWN_FOLDER}/fleetctl-{base.interface}"
    said = written.get(path)
    users = text.replace(said, "") if said else text
    started = re.search(rf"^\s*(?:auto|allow-\w+)\b.*\s{re.escape(name)}(?:\s|$)", users, re.M)
    if not (started and _INCLUDES.search(text) and _PLAIN.fullmatch(name)):
        return None
    own = parse_interfaces(f"auto {name}\n{said or ''}").get(
        name, InterfaceSetup(name, "ifupdown", path)
    )
    return OwnFile(path, said, own.addresses, own.routes)


def _address(one: _Stanza) -> IPv4Interface | None:
    if one.method != "static":
        return None
    own, _, length = one.address.partition("/")
    mask = length or one.netmask
    prefix = int(mask) if mask.isdigit() else address.prefix_length(mask) if mask else 32
    return address.interface(f"{own}/{prefix}")
