"""What makes a repair outlast a reboot: changes to a node's own network setup. Pure.

Every change starts from the setup as it is, changes nothing that is right already, and knows how to
put back what was. Profiles and services are found by their device, never by name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.health.network.findings import ROUTE_CODES, Finding
from fleetctl.model.facts import NodeFacts
from fleetctl.model.setup import (
    DAEMON_FILE,
    DAEMON_LABEL,
    SYSCTL_FILE,
    NetworkSetup,
    Profile,
    ProfileRoute,
    Service,
    ServiceRoute,
)
from fleetctl.model.status import RepairStep
from fleetctl.model.topology import Fleet
from fleetctl.quoting import join, quote

DAEMON_TEXT = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<plist version="1.0"><dict>\n'
    f"<key>Label</key><string>{DAEMON_LABEL}</string>\n"
    "<key>ProgramArguments</key><array><string>/usr/sbin/sysctl</string><string>-w</string>"
    "<string>net.inet.ip.forwarding=1</string></array>\n"
    "<key>RunAtLoad</key><true/>\n"
    "</dict></plist>\n"
)


class Place(Struct, frozen=True):
    """A finding and where it is to be repaired."""

    fleet: Fleet
    finding: Finding
    facts: NodeFacts
    interface: str

    @property
    def cidr(self) -> IPv4Network:
        return self.fleet.networks[self.finding.network].cidr


class Change(Struct, frozen=True):
    """Steps, the setup that they leave, and what could not be done."""

    setup: NetworkSetup
    steps: tuple[RepairStep, ...] = ()
    notes: tuple[str, ...] = ()


def filter_key(interface: str) -> str:
    """sysctl(8) takes a slash for a dot that belongs to an interface's name."""
    return f"net.ipv4.conf.{interface.replace('.', '/')}.rp_filter"


# Linux


def linux(place: Place, setup: NetworkSetup) -> Change:
    """Make the repair of ``place`` last on Linux."""
    code = place.finding.code
    if code in ("forwarding-off", "forwarding-not-persistent"):
        persistent = place.facts.network.forwarding_persistent
        if code == "forwarding-off" and persistent:
            return Change(setup)
        return _sysctl(setup, "net.ipv4.ip_forward", "1", "switches IPv4 forwarding on")
    if code == "rp-filter-strict":
        does = f"lets {place.interface} accept packets whose answers leave another way"
        return _sysctl(setup, filter_key(place.interface), "2", does)
    if code == "interface-down" or not place.interface:
        return Change(setup)
    profile, note = _profile(place, setup)
    notes = (note,) if note else ()
    if profile is None:
        return Change(setup, notes=notes)
    changed, step = _change_profile(place, profile)
    if step is None:
        return Change(setup, notes=notes)
    profiles = tuple(changed if p.uuid == profile.uuid else p for p in setup.profiles or ())
    return Change(replace(setup, profiles=profiles), (step,), notes)


def _profile(place: Place, setup: NetworkSetup) -> tuple[Profile | None, str]:
    """The profile that an interface's next boot uses, and what is odd about that."""
    node, interface = place.finding.node, place.interface
    if setup.profiles is None:
        why = setup.unknown.get("profiles", "its profiles are not known")
        return None, f"{node}: not for good, because {why}; set it where {interface} is set up"
    active = [p for p in setup.profiles if p.device == interface]
    bound = [p for p in setup.profiles if p.bound_to == interface and p not in active]
    names = {p.name for p in active}
    rivals = [p for p in setup.profiles if p in bound or (p.name in names and p not in active)]
    twins = [p for p in rivals if p.autoconnect]
    found = active or bound
    if len(found) != 1:
        listed = ", ".join(f"{p.name} ({p.uuid})" for p in found) or "none"
        which = f"NetworkManager profiles for {interface}: {listed}"
        return None, f"{node}: not for good, because exactly one is needed of the {which}"
    if active and twins:
        listed = ", ".join(f"{p.name} ({p.uuid})" for p in twins)
        return found[0], (
            f"{node}: {found[0].name} ({found[0].uuid}) is in use on {interface}, and {listed} "
            "may come up instead at the next boot: delete what is not needed with "
            "`sudo nmcli con delete UUID`"
        )
    return found[0], ""


def _change_profile(place: Place, profile: Profile) -> tuple[Profile, RepairStep | None]:
    code = place.finding.code
    if code in ROUTE_CODES:
        return _profile_route(place, profile)
    if code == "default-route-stolen":
        if profile.never_default:
            return profile, None
        words, back = ["ipv4.never-default", "yes"], ["ipv4.never-default", "no"]
        does = f"keeps {profile.name} from ever bringing a default route"
        changed = replace(profile, never_default=True)
    elif code == "address-missing":
        return _profile_address(place, profile)
    elif code == "wifi-power-save" and profile.power_save != 2:
        words = ["802-11-wireless.powersave", "2"]
        back = ["802-11-wireless.powersave", str(profile.power_save or 0)]
        does = f"keeps the radio awake whenever {profile.name} is used"
        changed = replace(profile, power_save=2)
    else:
        return profile, None
    protect = "" if code == "wifi-power-save" else place.interface
    return changed, _modify(profile, words, back, does, protect)


def _modify(
    profile: Profile, words: list[str], back: list[str], does: str, device: str
) -> RepairStep:
    """A change of a profile, by UUID. It counts from the next activation on: ``con up`` is left
    out, since it takes the interface down for a moment."""
    change = join(["sudo", "nmcli", "con", "mod", profile.uuid, *words])
    undo = join(["sudo", "nmcli", "con", "mod", profile.uuid, *back])
    return RepairStep(change, does, undo, lasts=True, interface=device)


def _profile_route(place: Place, profile: Profile) -> tuple[Profile, RepairStep | None]:
    to, gateway = place.cidr, IPv4Address(place.finding.expected)
    wrong = [r for r in profile.routes if r.to == to and r.via != gateway]
    there = any(r.to == to and r.via == gateway for r in profile.routes)
    if there and not wrong:
        return profile, None
    text = f"{to} {gateway}"
    words = [word for r in wrong for word in ("-ipv4.routes", r.text)]
    back = [word for r in wrong for word in ("+ipv4.routes", r.text)]
    if not there:
        words += ["+ipv4.routes", text]
        back = ["-ipv4.routes", text, *back]
    kept = tuple(r for r in profile.routes if r not in wrong)
    routes = kept if there else (*kept, ProfileRoute(to, gateway, text))
    does = f"lets {profile.name} bring the route to {to} via {gateway}"
    return replace(profile, routes=routes), _modify(profile, words, back, does, place.interface)


def _profile_address(place: Place, profile: Profile) -> tuple[Profile, RepairStep | None]:
    cidr = place.cidr
    address = f"{place.finding.expected}/{cidr.prefixlen}"
    others = [a for a in profile.addresses if IPv4Address(a.partition("/")[0]) not in cidr]
    wanted = (*others, address)
    if profile.method == "manual" and profile.addresses == wanted and profile.never_default:
        return profile, None
    words = _ipv4(wanted, "manual", never_default=True)
    back = _ipv4(profile.addresses, profile.method or "auto", never_default=profile.never_default)
    changed = replace(profile, method="manual", addresses=wanted, never_default=True)
    does = f"gives {profile.name} the fixed address {address} and no default route"
    return changed, _modify(profile, words, back, does, place.interface)


def _ipv4(addresses: tuple[str, ...], method: str, *, never_default: bool) -> list[str]:
    given = ["ipv4.addresses", ",".join(addresses), "ipv4.method", method]
    return [*given, "ipv4.never-default", "yes" if never_default else "no"]


def _sysctl(setup: NetworkSetup, key: str, value: str, does: str) -> Change:
    if "sysctl" in setup.unknown:
        note = f"not for good, because {SYSCTL_FILE} cannot be read: {setup.unknown['sysctl']}"
        return Change(setup, notes=(note,))
    lines = (setup.sysctl or "").splitlines()
    # a key may be written with dots or slashes, and with blanks around "="
    any_form = "[./]".join(map(re.escape, re.split("[./]", key)))
    same = re.compile(rf"\s*-?\s*{any_form}\s*=\s*(.*?)\s*")
    matches = [m for line in lines if (m := same.fullmatch(line))]
    if matches and all(m[1] == value for m in matches):
        return Change(setup)
    kept = [line for line in lines if not same.fullmatch(line)]
    text = "".join(f"{line}\n" for line in (*kept, f"{key} = {value}"))
    step = RepairStep(
        write_command(SYSCTL_FILE, text),
        f"{does} at every boot ({SYSCTL_FILE})",
        write_command(SYSCTL_FILE, setup.sysctl)
        if setup.sysctl is not None
        else f"sudo rm -f {SYSCTL_FILE}",
        lasts=True,
    )
    return Change(replace(setup, sysctl=text), (step,))


def write_command(path: str, text: str) -> str:
    """A shell line that puts ``text`` into ``path`` all at once, for root and for all to read."""
    lines = text.split("\n")
    if lines[-1] == "":
        form, lines = r"%s\n", lines[:-1]
    else:
        form, lines = "%s", [text]
    words = " ".join(map(_double_quoted, lines))
    put = f'printf "{form}" {words} >$f.new' if lines else ": >$f.new"
    # 0:0 is root:wheel on macOS
    owned = "chmod 644 $f.new && chown 0:0 $f.new"
    return f"sudo sh -c {quote(f'f={path}; {put} && {owned} && mv $f.new $f')}"


def _double_quoted(text: str) -> str:
    """A shell word without single quotes of its own, since it stands between such."""
    return '"' + re.sub(r'(["$`\\])', r"\\\1", text) + '"'


# macOS


def macos(place: Place, setup: NetworkSetup) -> Change:
    """Make the repair of ``place`` last on macOS."""
    code = place.finding.code
    if code in ("forwarding-off", "forwarding-not-persistent"):
        if code == "forwarding-off" and place.facts.network.forwarding_persistent:
            return Change(setup)
        return _daemon(setup)
    about_service = code in ROUTE_CODES or code in ("address-missing", "default-route-stolen")
    if not about_service or not place.interface:
        return Change(setup)
    service, note = _service(place, setup)
    if service is None:
        return Change(setup, notes=(note,))
    if code in ROUTE_CODES:
        changed, step, note = _service_routes(place, service)
    else:
        changed, step, note = _service_address(place, service)
    if step is None:
        return Change(setup, notes=(note,) if note else ())
    services = tuple(changed if s is service else s for s in setup.services or ())
    return Change(replace(setup, services=services), (step,))


def _service(place: Place, setup: NetworkSetup) -> tuple[Service | None, str]:
    node, interface = place.finding.node, place.interface
    if setup.services is None:
        why = setup.unknown.get("services", "its network services are not known")
        return None, f"{node}: not for good, because {why}"
    found = [s for s in setup.services if s.device == interface]
    enabled = [s for s in found if s.enabled]
    if len(enabled) == 1:
        return enabled[0], ""
    listed = ", ".join(f'"{s.name}"{"" if s.enabled else " (disabled)"}' for s in found) or "none"
    return None, (
        f"{node}: not for good, because exactly one enabled network service is needed for "
        f"{interface}; there are: {listed}"
    )


def _service_routes(place: Place, service: Service) -> tuple[Service, RepairStep | None, str]:
    """``-setadditionalroutes`` replaces the list, so all of it is given each time."""
    if service.routes is None:
        why = f'the additional routes of "{service.name}" cannot be read'
        return service, None, f"{place.finding.node}: not for good, because {why}"
    wanted = ServiceRoute(place.cidr, IPv4Address(place.finding.expected))
    others = tuple(r for r in service.routes if r.to != wanted.to)
    if wanted in service.routes and len(others) == len(service.routes) - 1:
        return service, None, ""
    routes = (*others, wanted)
    step = RepairStep(
        _set_routes(service.name, routes),
        f'lets the service "{service.name}" bring the route to {wanted.to} via {wanted.via}',
        _set_routes(service.name, service.routes),
        lasts=True,
        interface=place.interface,
    )
    return replace(service, routes=routes), step, ""


_SETS_ROUTES = "sudo networksetup -setadditionalroutes "


def merged(steps: Sequence[RepairStep]) -> list[RepairStep]:
    """``steps`` with one call for each service's list: the last one has it all."""
    calls: dict[str, list[RepairStep]] = {}
    for step in steps:
        if step.command.startswith(_SETS_ROUTES):
            calls.setdefault(step.interface, []).append(step)
    found = []
    for step in steps:
        same = calls.get(step.interface, []) if step.command.startswith(_SETS_ROUTES) else [step]
        if step is same[-1]:
            does = "; ".join(s.does for s in same)
            found.append(replace(step, does=does, undo=same[0].undo))
    return found


def _set_routes(service: str, routes: tuple[ServiceRoute, ...]) -> str:
    triples = [str(word) for r in routes for word in (r.to.network_address, r.to.netmask, r.via)]
    return join(["sudo", "networksetup", "-setadditionalroutes", service, *triples])


def _service_address(place: Place, service: Service) -> tuple[Service, RepairStep | None, str]:
    """A fixed address without a router: with one the service could become the primary one."""
    node = place.fleet.nodes[place.finding.node]
    address, mask = node.addresses[place.finding.network], place.cidr.netmask
    right = service.method == "manual" and service.router is None
    if right and (service.address, service.mask) == (address, mask):
        return service, None, ""
    undo = _set_back(service)
    if undo is None:
        why = f'how the service "{service.name}" is set up cannot be read'
        return service, None, f"{node.name}: not for good, because {why}"
    step = RepairStep(
        join(["sudo", "networksetup", "-setmanual", service.name, str(address), str(mask)]),
        f'gives the service "{service.name}" the fixed address {address} and no router',
        undo,
        lasts=True,
        interface=place.interface,
    )
    changed = replace(service, method="manual", address=address, mask=mask, router=None)
    return changed, step, ""


def _set_back(service: Service) -> str | None:
    """The command that sets a service up as it is now."""
    given = [str(word) for word in (service.address, service.mask, service.router) if word]
    if service.method == "manual" and len(given) >= 2:
        words = ["-setmanual", service.name, *given]
    elif service.method == "manual_with_dhcp_router" and service.address:
        words = ["-setmanualwithdhcprouter", service.name, str(service.address)]
    elif service.method in ("dhcp", "bootp"):
        words = [f"-set{service.method}", service.name]
    elif service.method == "off":
        words = ["-setv4off", service.name]
    else:
        return None
    return join(["sudo", "networksetup", *words])


def _daemon(setup: NetworkSetup) -> Change:
    """macOS was reported to ignore /etc/sysctl.conf, so a LaunchDaemon sets the flag."""
    if "daemon" in setup.unknown:
        note = f"not for good, because {DAEMON_FILE} cannot be read: {setup.unknown['daemon']}"
        return Change(setup, notes=(note,))
    if setup.daemon == DAEMON_TEXT:
        return Change(setup)
    former = setup.daemon
    file = RepairStep(
        write_command(DAEMON_FILE, DAEMON_TEXT),
        f"adds a LaunchDaemon that switches IPv4 forwarding on at every boot ({DAEMON_FILE})",
        f"sudo rm -f {DAEMON_FILE}" if former is None else write_command(DAEMON_FILE, former),
        lasts=True,
    )
    changed = replace(setup, daemon=DAEMON_TEXT)
    if former is not None:  # its label is loaded already; the next boot reads the new file
        return Change(changed, (file,))
    load = RepairStep(
        f"sudo launchctl bootstrap system {DAEMON_FILE}",
        "loads that LaunchDaemon now",
        f"sudo launchctl bootout system/{DAEMON_LABEL}",
        lasts=True,
    )
    return Change(changed, (file, load))
