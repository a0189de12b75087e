"""Repairs that last on Linux: changes to NetworkManager's profiles, and a new one if there is none.

A profile is found by its interface and changed by its UUID, never by its name, since two may have
the same. A setting that is right already is not touched.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.health import at_boot
from fleetctl.health.repairs import interface_files, new_profile
from fleetctl.health.repairs.routes import needs_own_route
from fleetctl.health.repairs.target import RepairTarget, SetupChange
from fleetctl.model.setup import NetworkSetup, Profile, ProfileRoute
from fleetctl.model.status import RepairStep
from fleetctl.quoting import join


class _Edit(Struct, frozen=True):
    """A change of one profile."""

    changed: Profile
    words: list[str]
    """Arguments of ``nmcli con mod UUID``."""
    back: list[str]
    """Those that undo it."""
    does: str
    protects: bool = True
    """Whether it could cut an SSH connection over the profile's interface."""


_MakeEdit = Callable[[RepairTarget, Profile], _Edit | None]


def routes(target: RepairTarget, setup: NetworkSetup) -> SetupChange:
    """Add the route to the profile of the interface towards the next hop."""
    if target.finding.network is None:
        return SetupChange(setup, notes=(target.no_default_at_boot,))
    if own := at_boot.managed_elsewhere(setup, target.route_interface):
        return interface_files.route(target, setup, own)
    interface = target.route_interface
    made = _new(target, setup, interface)
    return _after(made, _edit(target, made.setup, interface, _route, made.notes))


def detour(target: RepairTarget, setup: NetworkSetup) -> SetupChange:
    """Keep the profile of the wrong interface from bringing its route again."""
    if needs_own_route(target):
        return routes(target, setup)
    return _edit(target, setup, target.finding.interface, _no_route)


def address(target: RepairTarget, setup: NetworkSetup) -> SetupChange:
    """Let the interface's profile give it the address that it must have, and no default route."""
    if target.leased:
        return SetupChange(setup, notes=(target.leased_at_boot,))
    if own := at_boot.managed_elsewhere(setup, target.finding.interface):
        return interface_files.address(target, setup, own)
    interface = target.finding.interface
    made = _new(target, setup, interface)
    change = _after(made, _edit(target, made.setup, interface, _address, made.notes))
    profile, _ = _profile(target.finding.node, interface, change.setup)
    unused = profile is not None and (change.steps or profile.device != interface)
    if profile and unused and target.finding.code == "address-missing":
        up = new_profile.bring_up(target, profile)
        return replace(change, steps=(*change.steps, *up))
    return change


def _new(target: RepairTarget, setup: NetworkSetup, interface: str) -> SetupChange:
    """The profile of an interface that NetworkManager has none for."""
    if not interface or not new_profile.is_missing(setup, interface):
        return SetupChange(setup)
    return new_profile.add(target, setup, interface)


def _after(first: SetupChange, then: SetupChange) -> SetupChange:
    """Two changes, of which the second starts from what the first leaves."""
    return SetupChange(then.setup, first.steps + then.steps, then.notes)


def single_address(target: RepairTarget, setup: NetworkSetup) -> SetupChange:
    """Let the interface's profile no longer bring the address of another node."""
    return _edit(target, setup, target.finding.interface, _single_address)


def no_default_route(target: RepairTarget, setup: NetworkSetup) -> SetupChange:
    """Keep the interface's profile from setting a default route."""
    return _edit(target, setup, target.finding.interface, _never_default)


def radio_awake(target: RepairTarget, setup: NetworkSetup) -> SetupChange:
    """Keep the radio from saving power whenever the profile is used."""
    return _edit(target, setup, target.finding.interface, _power_save)


def _edit(
    target: RepairTarget,
    setup: NetworkSetup,
    interface: str,
    make: _MakeEdit,
    why_not: tuple[str, ...] = (),
) -> SetupChange:
    """Change the profile of ``interface``.

    :param why_not: why there is none and none can be made.
    """
    if not interface or why_not:
        return SetupChange(setup, notes=why_not)
    profile, note = _profile(target.finding.node, interface, setup)
    notes = (note,) if note else ()
    edit = make(target, profile) if profile else None
    if profile is None or edit is None:
        return SetupChange(setup, notes=notes)
    # The change takes effect at the next activation: `con up` takes the interface down.
    modify = ["sudo", "nmcli", "con", "mod", profile.uuid]
    step = RepairStep(
        join([*modify, *edit.words]),
        edit.does,
        join([*modify, *edit.back]),
        lasts=True,
        interface=interface if edit.protects else "",
    )
    profiles = tuple(edit.changed if p.uuid == profile.uuid else p for p in setup.profiles or ())
    return SetupChange(replace(setup, profiles=profiles), (step,), notes)


def _profile(node: str, interface: str, setup: NetworkSetup) -> tuple[Profile | None, str]:
    """The profile that the interface uses after the next boot, and a note if that is in doubt."""
    if setup.profiles is None:
        why = setup.unknown.get("profiles", "its profiles are not known")
        return None, f"{node}: not for good, because {why}; set it where {interface} is set up"
    known = at_boot.profiles_of(setup, interface)
    active = [p for p in known if p.device == interface]
    bound = [p for p in known if p.bound_to == interface and p not in active]
    twins = [p for p in at_boot.coming_up(known) if p not in active]
    found = active or (bound if len(bound) == 1 else at_boot.coming_up(bound)) or bound
    if len(found) != 1:
        listed = ", ".join(f"{p.name} ({p.uuid})" for p in found) or "none"
        which = f"NetworkManager profiles for {interface}: {listed}"
        rest = "; delete what is not needed with `sudo nmcli con delete UUID`" if found else ""
        return None, f"{node}: not for good, because exactly one is needed of the {which}{rest}"
    if active and twins:
        listed = ", ".join(f"{p.name} ({p.uuid})" for p in twins)
        return found[0], (
            f"{node}: {found[0].name} ({found[0].uuid}) is in use on {interface}, and {listed} "
            "may come up instead at the next boot: delete what is not needed with "
            "`sudo nmcli con delete UUID`"
        )
    return found[0], ""


def _route(target: RepairTarget, profile: Profile) -> _Edit | None:
    to, next_hop = target.cidr, target.address
    wrong = [r for r in profile.routes if r.to == to and r.via != next_hop]
    there = any(r.to == to and r.via == next_hop for r in profile.routes)
    if there and not wrong:
        return None
    text = f"{to} {next_hop}"
    words = [word for r in wrong for word in ("-ipv4.routes", r.text)]
    back = [word for r in wrong for word in ("+ipv4.routes", r.text)]
    if not there:
        words += ["+ipv4.routes", text]
        back = ["-ipv4.routes", text, *back]
    kept = tuple(r for r in profile.routes if r not in wrong)
    routes = kept if there else (*kept, ProfileRoute(to, next_hop, text))
    does = f"lets {profile.name} bring the route to {to} via {next_hop}"
    return _Edit(replace(profile, routes=routes), words, back, does)


def _no_route(target: RepairTarget, profile: Profile) -> _Edit | None:
    entry = target.finding.entry
    wrong = [r for r in profile.routes if entry and (r.to, r.via) == (entry.to, entry.via)]
    if not wrong:
        return None
    kept = tuple(r for r in profile.routes if r not in wrong)
    return _Edit(
        replace(profile, routes=kept),
        [word for r in wrong for word in ("-ipv4.routes", r.text)],
        [word for r in wrong for word in ("+ipv4.routes", r.text)],
        f"keeps {profile.name} from bringing the route to {wrong[0].to}",
        protects=False,  # it takes effect at the next activation
    )


def _address(target: RepairTarget, profile: Profile) -> _Edit | None:
    cidr = target.cidr
    given = f"{target.address}/{cidr.prefixlen}"
    others = [a for a in profile.addresses if IPv4Address(a.partition("/")[0]) not in cidr]
    wanted = (*others, given)
    # the default route belongs to the control network
    never = profile.never_default or not target.on_control
    changed = replace(
        profile, method="manual", addresses=wanted, never_default=never, autoconnect=True
    )
    if profile == changed:
        return None
    words = _ipv4(wanted, "manual", never_default=never)
    back = _ipv4(profile.addresses, profile.method or "auto", never_default=profile.never_default)
    if not profile.autoconnect:
        words += ["connection.autoconnect", "yes"]
        back += ["connection.autoconnect", "no"]
    end = " and no default route" if never else ""
    does = f"gives {profile.name} the fixed address {given}{end}"
    return _Edit(changed, words, back, does)


def _single_address(target: RepairTarget, profile: Profile) -> _Edit | None:
    finding = target.finding
    own = target.node.addresses.get(finding.network.name) if finding.network else None
    kept = tuple(
        a for a in profile.addresses if IPv4Address(a.partition("/")[0]) not in finding.found
    )
    if kept == profile.addresses:
        return None
    if not kept and own and not target.leased:
        kept = (f"{own}/{target.cidr.prefixlen}",)
    method = "manual" if kept else "auto"
    return _Edit(
        replace(profile, method=method, addresses=kept),
        _ipv4(kept, method, never_default=profile.never_default),
        _ipv4(profile.addresses, profile.method or "auto", never_default=profile.never_default),
        f"lets {profile.name} no longer bring {', '.join(map(str, finding.found))}",
    )


def _ipv4(addresses: tuple[str, ...], method: str, *, never_default: bool) -> list[str]:
    given = ["ipv4.addresses", ",".join(addresses), "ipv4.method", method]
    return [*given, "ipv4.never-default", "yes" if never_default else "no"]


def _never_default(_target: RepairTarget, profile: Profile) -> _Edit | None:
    if profile.never_default:
        return None
    return _Edit(
        replace(profile, never_default=True),
        ["ipv4.never-default", "yes"],
        ["ipv4.never-default", "no"],
        f"keeps {profile.name} from ever bringing a default route",
    )


def _power_save(_target: RepairTarget, profile: Profile) -> _Edit | None:
    if profile.power_save == 2:
        return None
    return _Edit(
        replace(profile, power_save=2),
        ["802-11-wireless.powersave", "2"],
        ["802-11-wireless.powersave", str(profile.power_save or 0)],
        f"keeps the radio awake whenever {profile.name} is used",
        protects=False,
    )
