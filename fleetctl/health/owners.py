"""Which program an interface belongs to, by its name and addresses: VPNs, containers, virtual
machines, Internet Sharing. Pure.

Names are those that the programs give by themselves; a user may have chosen others, so what is not
in these tables is not known to be the user's own either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Network

from msgspec import Struct

from fleetctl.model.facts import NodeFacts
from fleetctl.model.topology import OS, supported_os


class Owner(Struct, frozen=True):
    """A program that makes interfaces and routes by itself."""

    name: str
    leave: str
    """What to do about its routes, as an imperative without the address that they take."""


class _Sign(Struct, frozen=True):
    """An owner's interfaces: how they are named, and where their addresses are."""

    names: str
    """A regular expression for the whole name."""
    owner: Owner
    within: IPv4Network | None = None
    """None: any address."""


def _vpn(name: str) -> Owner:
    return Owner(name, f"leave {name}, or exclude the address in it")


def _bridge(name: str) -> Owner:
    return Owner(name, f"give the network of {name} another range of addresses")


_TAILSCALE, _WARP, _WIREGUARD = _vpn("Tailscale"), _vpn("Cloudflare WARP"), _vpn("WireGuard")
_GLOBALPROTECT, _ZEROTIER, _SOME_VPN = _vpn("GlobalProtect"), _vpn("ZeroTier"), _vpn("a VPN")
_DOCKER, _VMWARE, _VIRTUALBOX = _bridge("Docker"), _bridge("VMware"), _bridge("VirtualBox")
_CARRIER_GRADE = IPv4Network("100.64.0.0/10")

_SIGNS: Mapping[OS, tuple[_Sign, ...]] = {
    "linux": (
        _Sign(r"tailscale\d+", _TAILSCALE),
        _Sign(r"CloudflareWARP", _WARP),
        _Sign(r"gpd\d+", _GLOBALPROTECT),
        _Sign(r"zt[0-9a-z]{8,}", _ZEROTIER),
        _Sign(r"wg\S*", _WIREGUARD),
        _Sign(r"nordlynx", _vpn("NordVPN")),
        _Sign(r"(tun|tap|ppp|ipsec|vti|utun)\S*", _SOME_VPN),
        _Sign(r"docker\S*|br-[0-9a-f]{12}", _DOCKER),
        _Sign(r"podman\d+|cni-podman\d+", _bridge("Podman")),
        _Sign(r"cni\d+|flannel\S*|cali\S+", _bridge("Kubernetes")),
        _Sign(r"lxcbr\d+|lxdbr\d+|incusbr\d+", _bridge("LXC")),
        _Sign(r"virbr\d+", _bridge("libvirt's virtual machines")),
        _Sign(r"vmnet\d+", _VMWARE),
        _Sign(r"vboxnet\d+", _VIRTUALBOX),
    ),
    "macos": (
        _Sign(r"gpd\d+", _GLOBALPROTECT),
        # both take addresses of 100.96/12, Tailscale also the rest of 100.64/10
        _Sign(r"utun\d+", _vpn("Tailscale or Cloudflare WARP"), IPv4Network("100.96.0.0/12")),
        _Sign(r"utun\d+", _TAILSCALE, _CARRIER_GRADE),
        _Sign(r"utun\d+", _WARP, IPv4Network("172.16.0.2/32")),
        _Sign(r"feth\d+", _ZEROTIER),
        _Sign(r"(utun|tun|tap|ppp|ipsec)\d+", _SOME_VPN),
        _Sign(r"bridge1\d\d", _bridge("Internet Sharing"), IPv4Network("192.168.2.0/24")),
        _Sign(r"bridge1\d\d", _bridge("Internet Sharing or virtual machines")),
        _Sign(r"vmenet\d+", _bridge("virtual machines")),
        _Sign(r"vmnet\d+", _VMWARE),
        _Sign(r"vboxnet\d+", _VIRTUALBOX),
    ),
}
"""On each system, the first that fits counts."""


def owner(facts: NodeFacts, name: str) -> Owner | None:
    """The program to which the node's interface ``name`` belongs; None: not known."""
    os = supported_os(facts.system.os) if facts.system else None
    table = facts.network.interfaces or ()
    addresses = [a.ip for i in table if i.name == name for a in i.addresses]
    for sign in _SIGNS[os] if os else ():
        near = sign.within is None or any(a in sign.within for a in addresses)
        if near and re.fullmatch(sign.names, name):
            return sign.owner
    return None
