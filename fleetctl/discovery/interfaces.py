"""Which interfaces of a node matter to a cluster, and what they are made of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Interface
from itertools import islice
from typing import Literal

from msgspec import Struct

from fleetctl.model.facts import NodeFacts
from fleetctl.model.network import Interface

Medium = Literal["wifi", "ethernet", "thunderbolt"]

_VIRTUAL = re.compile(
    r"(?:lo|gif|stf|awdl|llw|anpi|ap|p2p|utun|ipsec|ppp|tun|tap|wg|tailscale|zt|nordlynx|docker|"
    r"br-|veth|virbr|vnet|vmnet|vmenet|cni|flannel|cali|kube|lxcbr|lxdbr|podman|feth|dummy|ham|"
    r"ifb|sit|ip6tnl|bridge1\d\d)[\w.@-]*"
)
"""Tunnels, and networks inside of one machine; macOS's bridge100 and later are of virtual machines
and Internet Sharing."""


_MOST = 32
"""Interfaces of a machine, and addresses of an interface, that are looked at: it may say more."""


class Place(Struct, frozen=True):
    """An address of a node, on one of its interfaces."""

    node: str
    interface: Interface
    address: IPv4Interface
    medium: Medium
    leased: bool = False
    """DHCP gave it, by the interface's own words or, on a Mac, by those of its network service."""


def real(facts: NodeFacts) -> Iterator[Interface]:
    """The interfaces that lead out of the machine, without those inside a bridge."""
    found = facts.network.interfaces or ()
    return islice(_real(found), _MOST)


def _real(found: Sequence[Interface]) -> Iterator[Interface]:
    inside = {member for interface in found for member in interface.members}
    for interface in found:
        if not _VIRTUAL.fullmatch(interface.name) and interface.name not in inside:
            yield interface


def usable(address: IPv4Interface) -> bool:
    """Whether it is an address of a network, and not one that a machine gives itself."""
    ip = address.ip
    return not (ip.is_loopback or ip.is_link_local) and address.network.prefixlen < 32


def places(node: str, facts: NodeFacts) -> Iterator[Place]:
    """The addresses of ``node`` on networks."""
    for interface in real(facts):
        for address in islice(filter(usable, interface.addresses), _MOST):
            leased = address.ip in interface.leased or _asks_dhcp(facts, interface)
            yield Place(node, interface, address, medium(facts, interface), leased)


def _asks_dhcp(facts: NodeFacts, interface: Interface) -> bool:
    services = (facts.setup.services if facts.setup else None) or ()
    return any(s.enabled and s.device == interface.name and s.method == "dhcp" for s in services)


def link_addresses(facts: NodeFacts) -> list[IPv4Address]:
    """The addresses by which a machine may answer on any of its links: those that it gave itself
    first, then the others, for which Linux answers on every link."""
    own = [a.ip for i in real(facts) for a in i.addresses if not a.ip.is_loopback]
    return sorted(own, key=lambda ip: not ip.is_link_local)


def medium(facts: NodeFacts, interface: Interface) -> Medium:
    """By the name of its hardware port on macOS, by its own on Linux (systemd.net-naming-scheme(7):
    ``wl`` is wireless)."""
    services = (facts.setup.services if facts.setup else None) or ()
    port = next((s.port for s in services if s.device == interface.name and s.port), "")
    if port.startswith("Thunderbolt") or interface.name.startswith("thunderbolt"):
        return "thunderbolt"
    if port in ("Wi-Fi", "AirPort") or re.match(r"wl|wifi|ath\d", interface.name):
        return "wifi"
    is_mac = facts.system is not None and facts.system.os == "macos"
    return "thunderbolt" if is_mac and interface.name == "bridge0" else "ethernet"


def bridge(facts: NodeFacts) -> Interface | None:
    """The bridge over a Mac's Thunderbolt ports; None: it has none."""
    if facts.system is None or facts.system.os != "macos":
        return None
    return next(
        (i for i in real(facts) if i.name == "bridge0" and medium(facts, i) == "thunderbolt"), None
    )


def of_ssh(facts: NodeFacts) -> IPv4Address | None:
    """The node's address of the SSH connection; of one over IPv6 the IPv4 address beside it."""
    network = facts.network
    if network.ssh_address is not None:
        return network.ssh_address
    beside = (i for i in network.interfaces or () if i.name == network.ssh_interface)
    return next((a.ip for i in beside for a in i.addresses if usable(a)), None)
