"""Making the NetworkManager profile of an interface that has none.

Its UUID is given, so that what follows and what undoes it is about this profile alone.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Collection, Iterator
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
_UUIDS = uuid.UUID("c1f0b1de-5a0b-4f3e-9c55-0d1f3f9d7a56")
"""The namespace of the UUIDs, which are the same for a node's interface each time."""
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
    known = setup.profiles or ()
    name = f"{PREFIX}{place.network.name}"
    about = f"{target.fleet.name}/{target.finding.node}/{name}/{interface}"
    profile = Profile(
        _unused({p.uuid for p in known}, (str(uuid.uuid5(_UUIDS, t)) for t in _numbered(about))),
        _unused({p.name for p in known}, _numbered(name)),
        bound_to=interface,
        priority=PRIORITY,
        method="manual",
        addresses=(str(place.own),),
        never_default=True,
    )
    words = ["type", "ethernet", "ifname", interface, "con-name", profile.name]
    words += ["connection.uuid", profile.uuid]
    words += ["ipv4.method", "manual", "ipv4.addresses", str(place.own)]
    words += ["ipv4.never-default", "yes", "ipv6.method", "link-local"]
    words += ["connection.autoconnect", "yes", "connection.autoconnect-priority", str(PRIORITY)]
    step = RepairStep(
        join(["sudo", "nmcli", "con", "add", *words]),
        f"makes the profile {profile.name} for {interface} with the fixed address {place.own} and "
        "no default route",
        join(["sudo", "nmcli", "con", "delete", profile.uuid]),
        lasts=True,
        interface=interface,
    )
    return SetupChange(replace(setup, profiles=(*known, profile)), (step,))


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


def _numbered(text: str) -> Iterator[str]:
    yield text
    yield from (f"{text}-{number}" for number in itertools.count(2))


def _unused(taken: Collection[str], candidates: Iterator[str]) -> str:
    return next(text for text in candidates if text not in taken)


def bring_up(target: RepairTarget, profile: Profile) -> tuple[RepairStep, ...]:
    """Let NetworkManager use the profile now, where that takes nothing away.

    Without it, NetworkManager goes on asking a DHCP server, and takes the interface's addresses
    away when that fails. It takes the interface down for a moment, so it is left out where the
    interface has an address.
    """
    interface = target.finding.interface
    own = next((i for i in target.facts.network.interfaces or () if i.name == interface), None)
    if own is None or not own.up or any(not a.ip.is_link_local for a in own.addresses):
        return ()
    up, down = (
        join(["sudo", "nmcli", "-w", str(UP_TIMEOUT_S), "con", verb, profile.uuid])
        for verb in ("up", "down")
    )
    does = f"lets NetworkManager use {profile.name} on {interface} now"
    return (RepairStep(up, does, down, lasts=True, interface=interface),)
