"""Making the NetworkManager profile of an interface that has none.

nmcli chooses its UUID (nmcli(1), ``connection add``), so it gets a name that no other profile has,
and is known by that name until the node is asked again.
"""

from __future__ import annotations

from ipaddress import IPv4Interface

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.health import at_boot
from fleetctl.health.repairs.target import RepairTarget, SetupChange
from fleetctl.model.setup import NetworkSetup, Profile
from fleetctl.model.status import RepairStep
from fleetctl.model.topology import Network
from fleetctl.quoting import join

PREFIX = "fleetctl-"
PRIORITY = 10
"""Profiles have 0 if nothing else is set, and those that NetworkManager makes by itself -999
(nm-settings-nmcli(5), ``autoconnect-priority``)."""
UP_TIMEOUT_S = 20
"""nmcli waits for so long; less than a step of a repair may take."""


class Attachment(Struct, frozen=True):
    """A network, and the node's own address on it."""

    network: Network
    own: IPv4Interface


def attachment(target: RepairTarget) -> Attachment | None:
    """On which network the address or next hop of the finding is."""
    for name, own in target.node.addresses.items():
        network = target.fleet.networks[name]
        if target.address in network.cidr:
            return Attachment(network, IPv4Interface((own, network.cidr.prefixlen)))
    return None


def is_missing(setup: NetworkSetup, interface: str) -> bool:
    """Whether NetworkManager manages ``interface``, and no profile on the disk is for it."""
    if at_boot.managed_elsewhere(setup, interface) or at_boot.profiles_of(setup, interface):
        return False
    return setup.devices.get(interface, "unmanaged") != "unmanaged"


def add(target: RepairTarget, setup: NetworkSetup, interface: str) -> SetupChange:
    """Make a profile for ``interface`` with the node's address there, and no default route."""
    place = attachment(target)
    kind = setup.types.get(interface, "")
    why = _why_not(place, kind)
    if place is None or why:
        note = (
            f"{target.finding.node}: not for good, because NetworkManager has no profile for "
            f"{interface}, and {why}"
        )
        return SetupChange(setup, notes=(note,))
    profile = Profile(
        "",
        _name(setup, place.network.name, interface),
        bound_to=interface,
        priority=PRIORITY,
        method="manual",
        addresses=(str(place.own),),
        never_default=True,
    )
    words = ["type", "ethernet", "ifname", interface, "con-name", profile.name]
    words += ["ipv4.method", "manual", "ipv4.addresses", str(place.own)]
    words += ["ipv4.never-default", "yes", "ipv6.method", "link-local"]
    words += ["connection.autoconnect", "yes", "connection.autoconnect-priority", str(PRIORITY)]
    step = RepairStep(
        join(["sudo", "nmcli", "con", "add", *words]),
        f"makes the profile {profile.name} for {interface} with the fixed address {place.own} and "
        "no default route",
        join(["sudo", "nmcli", "con", "delete", *identity(profile)]),
        lasts=True,
        interface=interface,
    )
    return SetupChange(replace(setup, profiles=(*(setup.profiles or ()), profile)), (step,))


def _why_not(place: Attachment | None, kind: str) -> str:
    """Why fleetctl makes no profile for an interface of NetworkManager's type ``kind``."""
    if place is None:
        return "which address it must have is not known"
    if place.network.control:
        return (
            f"which router {place.network.name} has is the user's to say: make one with "
            "`nmcli con add`"
        )
    if kind == "wifi":
        return "a Wi-Fi's needs its password: join it with `nmcli --ask dev wifi connect SSID`"
    if kind != "ethernet":
        return f"its type is {kind or 'not known'}, not ethernet: make one with `nmcli con add`"
    return ""


def _name(setup: NetworkSetup, network: str, interface: str) -> str:
    taken = {p.name for p in setup.profiles or ()}
    stem = f"{PREFIX}{network}"
    more = (f"{stem}-{interface}-{number}" for number in range(2, len(taken) + 3))
    return next(name for name in (stem, f"{stem}-{interface}", *more) if name not in taken)


def identity(profile: Profile) -> list[str]:
    """The words by which nmcli finds the profile."""
    return [profile.uuid] if profile.uuid else ["id", profile.name]


def bring_up(target: RepairTarget, profile: Profile) -> tuple[RepairStep, ...]:
    """Let NetworkManager use the profile now, where that takes nothing away.

    Without it, NetworkManager goes on asking a DHCP server, and takes the interface's addresses
    away when that fails. It takes the interface down for a moment, so it is left out where the
    interface has an address. Undoing the profile undoes it, too.
    """
    interface = target.finding.interface
    own = next((i for i in target.facts.network.interfaces or () if i.name == interface), None)
    if own is None or not own.up or any(not a.ip.is_link_local for a in own.addresses):
        return ()
    words = ["sudo", "nmcli", "-w", str(UP_TIMEOUT_S), "con", "up", *identity(profile)]
    does = f"lets NetworkManager use {profile.name} on {interface} now"
    return (RepairStep(join(words), does, lasts=True, interface=interface),)
