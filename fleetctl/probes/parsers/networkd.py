"""A ``.network`` file of systemd-networkd, with its drop-ins after it (systemd.network(5)).

Of several files that fit an interface, networkd takes the first by name, whatever folder it is in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Interface

from fleetctl.model.setup import NETWORKD_FOLDER, BootRoute, InterfaceSetup, OwnFile
from fleetctl.probes.parsers import address

_HARDWARE = ("MACAddress", "PermanentMACAddress")
_ON = ("yes", "ipv4", "both", "true", "v4")


def parse_network_file(text: str, interface: str = "", file: str = "") -> InterfaceSetup:
    """What ``file`` gives ``interface`` at boot; what it says besides is left out."""
    dhcp = False
    addresses: list[IPv4Interface] = []
    routes: list[BootRoute] = []
    for section, values in _sections(text):
        if section == "Network":
            addresses += filter(None, map(address.interface, values.get("Address", ())))
            routes += [BootRoute(address.EVERYWHERE, via) for via in _ips(values, "Gateway")]
            dhcp = values.get("DHCP", ["yes" if dhcp else ""])[-1].lower() in _ON
        elif section == "Address":
            addresses += filter(None, map(address.interface, values.get("Address", ())))
        elif section == "Route":
            to = address.network(values.get("Destination", ["default"])[-1])
            routes += [BootRoute(to, via) for via in _ips(values, "Gateway")] if to else []
    return InterfaceSetup(
        interface,
        "systemd-networkd",
        file,
        dhcp=dhcp,
        addresses=tuple(addresses),
        routes=tuple(routes),
    )


def own_file(base: InterfaceSetup, text: str, written: Mapping[str, str]) -> OwnFile | None:
    """Where fleetctl may add to ``base``, whose file says ``text``.

    A drop-in beside a file that is for this interface alone. Beside one for several interfaces it
    would be for all of them, so a file of its own replaces that, unless it says more than DHCP.

    :param written: the texts of fleetctl's own files, by path.
    """
    name, file = base.interface, base.where.rpartition("/")[2]
    whole = f"05-fleetctl-{name}.network"
    if file == whole or (not _only_for(name, file, text) and _may_replace(base, file, whole)):
        path = f"{NETWORKD_FOLDER}/{whole}"
    elif _only_for(name, file, text):
        path = f"{NETWORKD_FOLDER}/{file}.d/fleetctl.conf"
    else:
        return None
    said = written.get(path)
    added = parse_network_file(said or "")
    return OwnFile(path, said, added.addresses, added.routes, replaces=path.endswith(whole))


def _only_for(name: str, file: str, text: str) -> bool:
    """Whether the file is for one interface alone; netplan names its files by the interface."""
    if file == f"10-netplan-{name}.network":
        return True
    match = next((values for section, values in _sections(text) if section == "Match"), {})
    names = " ".join(match.get("Name", ())).split()
    return names == [name] or any(
        len(" ".join(match.get(key, ())).split()) == 1 for key in _HARDWARE
    )


def _may_replace(base: InterfaceSetup, file: str, whole: str) -> bool:
    return whole < file and not (base.addresses or base.routes or base.unknown)


def _ips(values: dict[str, list[str]], key: str) -> Iterator[IPv4Address]:
    yield from filter(None, map(address.ipv4, values.get(key, ())))


def _sections(text: str) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Each section with its keys; one name may come several times, and so may a key."""
    name, values = "", dict[str, list[str]]()
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            yield name, values
            name, values = line[1:-1], {}
        elif "=" in line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            values.setdefault(key.strip(), []).append(value.strip())
    yield name, values
