"""What an interface gets at the node's next boot, from whatever sets it up. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from msgspec import Struct

from fleetctl.model.facts import UNANSWERED
from fleetctl.model.network import Interface
from fleetctl.model.setup import BootRoute, InterfaceSetup, NetworkService, NetworkSetup, Profile

EVERYWHERE = IPv4Network("0.0.0.0/0")
BY_DHCP = "by DHCP"
LEFT_TO_CHECK = "left to `fleetctl check`"


class Kept(Struct, frozen=True):
    """Whether a setting that is right now is so after the next boot, too."""

    persistent: bool | None
    reason: str
    """What sets it, what will be there instead, or why that is not known."""
    at_all: bool = True
    """Whether the interface gets anything at all."""


Judge = Callable[[Sequence[InterfaceSetup]], Kept]


class Boot(Struct, frozen=True):
    """What may come up on one interface."""

    ways: tuple[tuple[InterfaceSetup, ...], ...] = ()
    """One of these does, with all its parts; several: which is not certain."""
    unknown: str = ""
    """Why nothing is known."""
    nothing: str = ""
    """Why nothing comes up."""

    def of(self, judge: Judge) -> Kept:
        """The verdict of ``judge`` on all ways; not known where they differ."""
        if self.unknown:
            return Kept(None, self.unknown)
        if not self.ways:
            return Kept(False, self.nothing, at_all=False)
        found = [judge(way) for way in self.ways]
        if len({kept.persistent for kept in found}) == 1:
            return found[0]
        names = " or ".join(way[0].where for way in self.ways)
        return Kept(None, f"which comes up at boot is not certain: {names}")


def boot(setup: NetworkSetup, interface: str) -> Boot:
    """What comes up on ``interface`` at boot."""
    if setup.services is not None:
        return _of_services(setup.services, interface)
    if "services" in setup.unknown:
        return Boot(unknown=setup.unknown["services"])
    return _on_linux(setup, interface)


def address(way: Sequence[InterfaceSetup], wanted: IPv4Interface, *, leased: bool) -> Kept:
    """Whether ``wanted`` comes up, with its mask.

    :param leased: a DHCP server gives it, or may give it.
    """
    if right := [s for s in way if wanted in s.addresses]:
        return Kept(True, right[0].where)
    if why := _unknown(way):
        return why
    asking = [s for s in way if s.dhcp]
    if asking and (leased or any(s.lease == wanted.ip for s in asking)):
        return Kept(None, BY_DHCP)
    there = [a for s in way for a in s.addresses if a.ip in wanted.network or a.ip == wanted.ip]
    others = there or [a for s in way for a in s.addresses]
    brings = f"brings {' and '.join(map(str, others))}" if others else "brings no address"
    if asking and not others:
        brings = "asks a DHCP server for an address"
    return Kept(False, f"{way[0].where} {brings}", at_all=bool(others or asking))


def any_address(way: Sequence[InterfaceSetup], cidr: IPv4Network) -> Kept:
    """Whether an address inside ``cidr`` comes up, or DHCP is asked for one."""
    if why := _unknown(way):
        return why
    if asking := [s for s in way if s.dhcp]:
        return Kept(True, f"{asking[0].where}, {BY_DHCP}")
    there = [a for s in way for a in s.addresses]
    if any(a.ip in cidr for a in there):
        return Kept(True, way[0].where)
    brings = " and ".join(map(str, there)) or "no address"
    return Kept(False, f"{way[0].where} brings {brings}, and asks no DHCP server", bool(there))


def route(way: Sequence[InterfaceSetup], to: IPv4Network, via: IPv4Address) -> Kept:
    """Whether packets to ``to`` go through ``via``: of several routes the narrowest counts."""
    if (why := _unknown(way)) and not any(BootRoute(to, via) in s.routes for s in way):
        return why
    fitting = [(r, s) for s in way for r in s.routes if r.to.supernet_of(to)]
    if not fitting:
        return Kept(False, f"{way[0].where} brings no route to {to}")
    best, where = max(fitting, key=lambda pair: pair[0].to.prefixlen)
    if best.via == via:
        return Kept(True, where.where)
    return Kept(False, f"{where.where} leads {best.to} through {best.via or 'no next hop'}")


def default(way: Sequence[InterfaceSetup]) -> Kept:
    """Whether a default route comes up."""
    if why := _unknown(way):
        return why
    for own in way:
        if any(r.to == EVERYWHERE for r in own.routes):
            return Kept(True, own.where)
    if any(own.dhcp and own.takes_default for own in way):
        return Kept(None, BY_DHCP)
    return Kept(False, f"{way[0].where} brings no default route")


def profiles_of(setup: NetworkSetup, interface: str) -> tuple[Profile, ...]:
    """NetworkManager's profiles that may come up on ``interface``, that in use first."""
    known = [p for p in setup.profiles or () if not p.volatile]
    active = [p for p in known if p.device == interface]
    names = {p.name for p in active}
    rivals = [
        p
        for p in known
        if p not in active and (p.bound_to == interface or (p.name in names and not p.device))
    ]
    return (*active, *rivals)


def coming_up(profiles: Sequence[Profile]) -> tuple[Profile, ...]:
    """Those of an interface's profiles of which one comes up at boot; several: it is not certain
    which (nm-settings-nmcli(5), ``autoconnect-priority``)."""
    coming = [p for p in profiles if p.autoconnect]
    highest = max((p.priority for p in coming), default=0)
    return tuple(p for p in coming if p.priority == highest)


def managed_elsewhere(setup: NetworkSetup, interface: str) -> InterfaceSetup | None:
    """What sets up an interface that is not NetworkManager's."""
    return None if profiles_of(setup, interface) else setup.interfaces.get(interface)


def _on_linux(setup: NetworkSetup, interface: str) -> Boot:
    why = setup.unknown.get("profiles", "")
    if why.startswith(UNANSWERED):
        return Boot(unknown=why)
    found = profiles_of(setup, interface)
    if coming := coming_up(found):
        return Boot(tuple((_of_profile(p, interface),) for p in coming))
    if found:
        return Boot(nothing=f"the profile {found[0].name} does not come up by itself")
    if own := setup.interfaces.get(interface):
        return Boot(((own,),))
    if setup.devices.get(interface, "unmanaged") != "unmanaged":
        return Boot(nothing=f"NetworkManager has no profile for {interface}")
    return Boot(
        unknown=f"what sets up {interface} at boot is not known: none of NetworkManager, "
        "systemd-networkd, dhcpcd and ifupdown says that it does"
    )


def _of_profile(profile: Profile, interface: str) -> InterfaceSetup:
    addresses = [a for text in profile.addresses if (a := _interface(text))]
    routes = [BootRoute(r.to, r.via) for r in profile.routes]
    if profile.gateway and not profile.never_default:
        routes.append(BootRoute(EVERYWHERE, profile.gateway))
    if profile.method not in ("manual", "auto", None):
        addresses, routes = [], []
    return InterfaceSetup(
        interface,
        "NetworkManager",
        f"the profile {profile.name}",
        dhcp=profile.method == "auto",
        addresses=tuple(addresses),
        routes=tuple(routes),
        takes_default=not profile.never_default,
    )


def _of_services(services: Sequence[NetworkService], interface: str) -> Boot:
    found = [s for s in services if s.device == interface]
    enabled = [s for s in found if s.enabled]
    if not enabled:
        what = "is disabled" if found else "is not there"
        return Boot(nothing=f"the network service of {interface} {what}")
    return Boot((tuple(_of_service(s, interface) for s in enabled),))


def _of_service(service: NetworkService, interface: str) -> InterfaceSetup:
    where = f'the service "{service.name}"'
    if service.method is None or service.routes is None:
        why = f"how {where} is set up cannot be read"
        return InterfaceSetup(interface, "macOS", where, unknown=why)
    dhcp = service.method in ("dhcp", "bootp")
    own = None
    if service.method in ("manual", "manual_with_dhcp_router") and service.address:
        own = _interface(f"{service.address}/{service.mask or 32}")
    routes = [BootRoute(r.to, r.via) for r in service.routes]
    if service.router and service.method == "manual":
        routes.append(BootRoute(EVERYWHERE, service.router))
    return InterfaceSetup(
        interface,
        "macOS",
        where,
        dhcp=dhcp,
        lease=service.address if dhcp else None,
        addresses=(own,) if own else (),
        routes=tuple(routes),
        takes_default=service.method != "off",
    )


@lru_cache(maxsize=2048)
def _interface(text: str) -> IPv4Interface | None:
    try:
        return IPv4Interface(text)
    except ValueError:
        return None


def _unknown(way: Sequence[InterfaceSetup]) -> Kept | None:
    why = next((own.unknown for own in way if own.unknown), "")
    return Kept(None, why) if why else None


def lease(interface: Interface | None, wanted: IPv4Address) -> bool:
    """Whether the interface has the address for a time only, as a DHCP client sets it."""
    return interface is not None and wanted in interface.leased
