"""Network and settings on a node's disk, which last over a reboot.

Macs have network services and launch daemons, Linux machines NetworkManager profiles and sysctl
files. The formats are those of the lab's programs on the nodes (lab/programs), whose functions are
used here, too.
"""

from __future__ import annotations

import plistlib
import re
from collections.abc import Collection, Sequence
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, ip_interface
from pathlib import Path

from msgspec.structs import replace

from fleetctl.lab import diskfile
from fleetctl.lab.blueprint import Blueprint, Machine
from fleetctl.lab.description import description, lease, ports_of, uuid_of
from fleetctl.lab.launch_daemons import DAEMONS
from fleetctl.lab.personality import HIDDEN, is_mac
from fleetctl.lab.programs import node
from fleetctl.lab.programs.macos import launchctl, services
from fleetctl.lab.programs.raspberry import profiles

FORWARDING = "net.ipv4.ip_forward"
SYSCTL_FOLDER, SYSCTL_FILE = "/etc/sysctl.d", "90-fleet.conf"
SYSCTL_OWN = "/etc/sysctl.conf"
"""A link in the folder leads to it, and is not followed."""
DAEMON_FILE = "local.fleet.forwarding.plist"
DAEMON = {
    "Label": "local.fleet.forwarding",
    "ProgramArguments": ["/usr/sbin/sysctl", "-w", "net.inet.ip.forwarding=1"],
    "RunAtLoad": True,
}
POWER_FILE = "/Library/Preferences/com.apple.PowerManagement"
POWER = {
    "standby": 0,
    "autorestart": 1,
    "powernap": 1,
    "networkoversleep": 0,
    "disksleep": 0,
    "sleep": 0,
    "ttyskeepawake": 1,
    "displaysleep": 10,
    "tcpkeepalive": 1,
    "womp": 1,
}
"""A Mac mini after `pmset -a sleep 0 disksleep 0 autorestart 1 womp 1`."""
ACTIVITY = "/run/iw"
"""Where `iw` on a node finds the power saving of each device."""


# -- writing it ------------------------------------------------------------------------------------


def write(plan: Blueprint, machine: Machine, folder: Path) -> None:
    """Write network and settings onto a node's new disk: for a healthy fleet, or as out of its box.

    :param folder: of the disk, with `fs` and `upper`.
    """
    root, upper = folder / "fs", folder / "upper"
    if plan.factory:
        machine = replace(machine, routes=(), forwarding=False)
    bare = {port.interface for port in machine.ports if plan.bare(machine, port)}
    diskfile.write(root, f"{HIDDEN}/machine", description(plan, machine))
    if is_mac(machine):
        made = _services(machine, bare)
        diskfile.write(root, services.FILE, services.text_of(made))
        power = "".join(f"{key} {value}\n" for key, value in POWER.items())
        diskfile.write(root, POWER_FILE, power)
    else:
        for profile in _profiles(plan, machine):
            if profile.device in bare:
                continue
            diskfile.write(upper, _file_of(profile), profile.text)
    if machine.forwarding:
        keep_forwarding(machine, root if is_mac(machine) else upper, kept=True)


def _file_of(profile: profiles.Profile) -> str:
    return f"{profiles.FOLDER}/{profile.id}.nmconnection"


def keep_forwarding(machine: Machine, root: Path, *, kept: bool) -> None:
    """Enable a gateway's forwarding at boot, or remove it from every file that does so.

    :param root: the folder that its ``Library`` or ``etc`` is in.
    """
    if kept and is_mac(machine):
        diskfile.write(root, f"{DAEMONS}/{DAEMON_FILE}", plistlib.dumps(DAEMON).decode())
    elif kept:
        diskfile.write(root, f"{SYSCTL_FOLDER}/{SYSCTL_FILE}", f"{FORWARDING} = 1\n")
    elif is_mac(machine):
        for name in diskfile.names(root, DAEMONS, ".plist"):
            if "net.inet.ip.forwarding" in diskfile.text(root, f"{DAEMONS}/{name}"):
                diskfile.remove(root, f"{DAEMONS}/{name}")
                _unload(root, name)
    else:
        files = [f"{SYSCTL_FOLDER}/{n}" for n in diskfile.names(root, SYSCTL_FOLDER, ".conf")]
        for file in (*files, SYSCTL_OWN):
            lines = diskfile.text(root, file).splitlines(keepends=True)
            left = [line for line in lines if FORWARDING not in line.replace("/", ".")]
            if left != lines:
                diskfile.write(root, file, "".join(left))


def _unload(root: Path, name: str) -> None:
    """Remove the daemon with the file ``name`` from a running launchd."""
    lines = diskfile.text(root, launchctl.LOADED).splitlines(keepends=True)
    diskfile.write(root, launchctl.LOADED, "".join(x for x in lines if f"/{name}\t" not in x))


def keep_network(
    plan: Blueprint, machine: Machine, root: Path, bare: Collection[str | None], *, routes: bool
) -> None:
    """Write what sets up the machine's cluster interfaces at boot, as for a healthy fleet.

    :param root: the machine's root file system.
    :param bare: networks on which another address is written down.
    :param routes: whether its routes are written down.
    """
    interfaces = {
        port.interface: port.network in bare
        for port in machine.ports
        if not plan.segments[port.network].control
    }
    if is_mac(machine):
        new = {s.device: s for s in _services(machine) if s.device in interfaces}
        for device, service in new.items():
            service.routes = service.routes if routes else []
            if interfaces[device]:
                own = ip_interface(f"{service.addresses[0]}/{service.mask}")
                service.addresses = [str(_another(own).ip)]
        kept = [new.get(s.device, s) for s in services.parse(diskfile.text(root, services.FILE))]
        diskfile.write(root, services.FILE, services.text_of(kept))
        return
    for profile in _profiles(plan, machine):
        if profile.device in interfaces:
            if not routes:
                profile.put_numbered("route", [])
            if interfaces[profile.device]:
                own = ip_interface(profile.addresses[0])
                profile.put_numbered("address", [str(_another(own))])
            diskfile.write(root, _file_of(profile), profile.text)


def _another(own: IPv4Interface | IPv6Interface) -> IPv4Interface | IPv6Interface:
    """Another address of the same network."""
    length = own.network.prefixlen
    return next(
        other
        for number in (-2, -3)
        if (other := ip_interface(f"{own.network[number]}/{length}")) != own
    )


def keep_awake(plan: Blueprint, machine: Machine, root: Path, *, awake: bool) -> None:
    """Switch a Mac's sleep, or the power saving of a Linux machine's Wi-Fi, off or on for good.

    :param root: the machine's root file system.
    """
    if is_mac(machine):
        power = dict(line.split() for line in diskfile.text(root, POWER_FILE).splitlines())
        power["sleep"] = "0" if awake else "1"
        text = "".join(f"{key} {value}\n" for key, value in power.items())
        diskfile.write(root, POWER_FILE, text)
        return
    for device, profile in active_profiles(ports_of(plan, machine), root).items():
        if profile.type == "802-11-wireless":
            profile.put("wifi", "powersave", "2" if awake else "3")
            diskfile.write(root, profile.file, profile.text)
            diskfile.write(root, f"{ACTIVITY}/{device}", f"{'off' if awake else 'on'}\n")


def _services(machine: Machine, bare: Collection[str] = ()) -> list[services.Service]:
    """
    :param bare: interfaces of which only DHCP is asked, and does not answer.
    """
    found = []
    for port in machine.ports:
        name = _port_name(port.interface)
        own = [ip_interface(address) for address in port.addresses]
        dhcp = bool(lease(machine, port)[0]) or port.interface in bare
        routes = []
        for route in machine.routes:
            if route.interface == port.interface:
                to = IPv4Network(route.to)
                routes.append(f"{to.network_address}/{to.netmask}/{route.via}")
        fields = [name, name, port.interface, "on", "dhcp" if dhcp else "manual"]
        fields += ["", ""] if dhcp else [" ".join(str(o.ip) for o in own), str(own[0].netmask)]
        found.append(services.Service("\t".join([*fields, "", " ".join(routes)])))
    known = {service.device for service in found}
    for device in ("en0", "bridge0", "en1"):  # built in, also if nothing is connected
        if device not in known:
            name = _port_name(device)
            found.append(services.Service("\t".join([name, name, device, "on", "dhcp", *[""] * 4])))
    order = {"en1": 0, "en0": 1}  # Wi-Fi first, so that it is the primary service
    return sorted(found, key=lambda s: (order.get(s.device, 2), s.device.startswith("bridge")))


def _port_name(device: str) -> str:
    if re.fullmatch(r"bridge\d+", device):
        number = int(device.removeprefix("bridge"))
        return "Thunderbolt Bridge" if number == 0 else f"Thunderbolt Bridge {number + 1}"
    built_in = {"en0": "Ethernet", "en1": "Wi-Fi"}
    if device in built_in:
        return built_in[device]
    if not re.fullmatch(r"en\d+", device):
        return device
    number = int(device.removeprefix("en")) - 4
    return "USB 10/100/1000 LAN" if number == 1 else f"USB 10/100/1000 LAN {number}"


def _profiles(plan: Blueprint, machine: Machine) -> list[profiles.Profile]:
    found = []
    for port in machine.ports:
        wifi = plan.segments[port.network].kind == "wifi"
        dhcp = bool(lease(machine, port)[0])
        own = {
            "id": _profile_name(port.interface, dhcp=dhcp),
            "uuid": uuid_of(machine.key, port.network).lower(),
            "type": "wifi" if wifi else "ethernet",
            "interface-name": port.interface,
        }
        sections = {"connection": own}
        if wifi:
            sections["wifi"] = {"mode": "infrastructure", "ssid": "Home", "powersave": "2"}
        sections["ipv4"] = {"method": "auto" if dhcp else "manual"}
        profile = profiles.Profile("", sections)
        if not dhcp:
            profile.put_numbered("address", port.addresses)
            profile.put("ipv4", "never-default", "true")
        mine = [r for r in machine.routes if r.interface == port.interface]
        profile.put_numbered("route", [f"{r.to},{r.via}" for r in mine])
        found.append(profile)
    return found


def _profile_name(interface: str, *, dhcp: bool) -> str:
    """A name as images and users give it, from which the interface cannot be told."""
    if interface == "wlan0":
        return "preconfigured"
    if dhcp:
        return (
            f"Wired connection {int(interface[-1:]) + 1}" if interface[-1:].isdigit() else "Wired"
        )
    return "eth-static" if interface == "eth0" else f"netplan-{interface}"


# -- reading it at boot ----------------------------------------------------------------------------


def network_lines(machine: Machine, ports: Sequence[node.Port], root: Path) -> list[str]:
    """The lines of `ip -batch` that configure a booting node as its disk says.

    :param root: the node's root file system.
    """
    lines = ["link set lo up"]
    by_device = {port.device: port for port in ports}
    if is_mac(machine):
        for service in services.parse(diskfile.text(root, services.FILE)):
            if service.device in by_device:
                lines += services.activation(service, by_device[service.device])
        return lines
    chosen = active_profiles(ports, root)
    for device, port in by_device.items():
        lines.append(f"link set {device} up")
        if device in chosen:
            lines += profiles.activation(chosen[device], port)
    return lines


def active_profiles(ports: Sequence[node.Port], root: Path) -> dict[str, profiles.Profile]:
    """The profile of each interface of a booting Linux machine."""
    names = diskfile.names(root, profiles.FOLDER, ".nmconnection")
    files = [f"{profiles.FOLDER}/{name}" for name in names]
    known = [profiles.parse(file, diskfile.text(root, file)) for file in files]
    stamps = {}
    for line in diskfile.text(root, profiles.TIMESTAMPS).splitlines():
        key, _, value = line.partition("=")
        stamps[key] = float(value or 0)
    picked = {}
    for port in ports:
        profile = profiles.chosen(known, port.device, stamps)
        if profile is None and port.kind != "wifi" and port.device not in {p.device for p in known}:
            profile = profiles.by_itself(known, port, uuid_of(port.mac).lower())
            known.append(profile)
        if profile is not None:
            picked[port.device] = profile
    return picked


def remember_active(machine: Machine, ports: Sequence[node.Port], root: Path) -> None:
    """Write the state of NetworkManager and Wi-Fi driver into a booting Linux machine's /run."""
    if is_mac(machine):
        return
    chosen = active_profiles(ports, root)
    lines = "".join(f"{device} {profile.uuid}\n" for device, profile in chosen.items())
    diskfile.write(root, profiles.ACTIVE, lines)
    for device, profile in chosen.items():
        if profile.file.startswith(profiles.VOLATILE):
            diskfile.write(root, profile.file, profile.text)
        if profile.type == "802-11-wireless":
            saving = "on" if profiles.power_save(profile) else "off"
            diskfile.write(root, f"{ACTIVITY}/{device}", f"{saving}\n")
