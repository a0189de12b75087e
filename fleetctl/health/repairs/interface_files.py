"""Repairs that last where systemd-networkd, dhcpcd or ifupdown sets up an interface.

Each adds to what the user wrote, in a place of fleetctl's own: a drop-in beside the ``.network``
file (systemd.network(5)), lines between two comments of /etc/dhcpcd.conf, a file that
/etc/network/interfaces includes. Nothing reads them before the next boot, so nothing is cut. Where
what the user wrote would stand in the way, the lines are told instead.
"""

from __future__ import annotations

from ipaddress import IPv4Interface

from msgspec.structs import replace

from fleetctl.health.repairs import by_hand
from fleetctl.health.repairs.boot_files import printed, write_command
from fleetctl.health.repairs.new_profile import attachment
from fleetctl.health.repairs.target import RepairTarget, SetupChange
from fleetctl.model.setup import BootRoute, InterfaceSetup, NetworkSetup, OwnFile
from fleetctl.model.status import RepairStep
from fleetctl.patterns import pattern
from fleetctl.quoting import quote

_MADE_BY = "# written by fleetctl fix; fleetctl fix --undo takes it away"
_PLAIN_PATH = pattern(r"[A-Za-z0-9/._@:+-]+")


def address(target: RepairTarget, setup: NetworkSetup, base: InterfaceSetup) -> SetupChange:
    """Let the interface get the address that it must have."""
    given = IPv4Interface((target.address, target.cidr.prefixlen))
    if given in base.addresses:
        return SetupChange(setup)
    own = base.own
    if own is None or not _may_add_address(target, base, own):
        return _by_hand(target, setup, base, by_hand.address_note(base, given))
    kept = (a for a in own.addresses if a.ip not in target.cidr)
    wanted = replace(own, addresses=(*kept, given))
    return _changed(target, setup, base, wanted, f"gives {base.interface} the address {given}")


def route(target: RepairTarget, setup: NetworkSetup, base: InterfaceSetup) -> SetupChange:
    """Let the interface bring the route to the finding's network."""
    wanted = BootRoute(target.cidr, target.address)
    if wanted in base.routes:
        return SetupChange(setup)
    own = base.own
    if own is None or not _may_add_route(base, own, wanted):
        note = by_hand.route_note(base, target.cidr, target.address)
        return _by_hand(target, setup, base, note)
    if own.replaces and not own.addresses and (place := attachment(target)):
        own = replace(own, addresses=(place.own,))
    kept = (r for r in own.routes if r.to != wanted.to)
    does = f"leads {wanted.to} through {wanted.via}"
    return _changed(target, setup, base, replace(own, routes=(*kept, wanted)), does)


def _may_add_address(target: RepairTarget, base: InterfaceSetup, own: OwnFile) -> bool:
    """Whether the interface then has that address and the others, and still the way out."""
    others = [a for a in base.addresses if a not in own.addresses]
    if target.on_control or any(a.ip in target.cidr for a in others):
        return False
    if base.manager == "dhcpcd":  # it knows one fixed address
        return not others and all(a.ip in target.cidr for a in own.addresses)
    return _comes_up(base)


def _may_add_route(base: InterfaceSetup, own: OwnFile, wanted: BootRoute) -> bool:
    users = [r for r in base.routes if r not in own.routes]
    if base.manager == "ifupdown" and not any(
        wanted.via in a.network for a in own.addresses if wanted.via
    ):
        return False  # the user's stanza may come later, and a route that fails ends them all
    return _comes_up(base) and all(r.to != wanted.to for r in users)


def _comes_up(base: InterfaceSetup) -> bool:
    """ifupdown leaves out what follows DHCP without an answer (interfaces(5))."""
    return not (base.manager == "ifupdown" and base.dhcp)


def _by_hand(
    target: RepairTarget, setup: NetworkSetup, base: InterfaceSetup, lines: str
) -> SetupChange:
    node, manager = target.finding.node, base.manager
    note = f"{node}: for good by hand, because {manager} sets up {base.interface}: {lines}"
    return SetupChange(setup, notes=(note,))


def _changed(
    target: RepairTarget, setup: NetworkSetup, base: InterfaceSetup, wanted: OwnFile, does: str
) -> SetupChange:
    former = base.own
    if former is None or not _PLAIN_PATH.fullmatch(wanted.file):
        lines = f"the name of the file {wanted.file} has characters that fleetctl does not write"
        return _by_hand(target, setup, base, lines)
    text = _text(base, wanted)
    step = RepairStep(
        _write(base, wanted, text),
        f"{does} at every boot ({wanted.file})",
        _write(base, former, former.text),
        lasts=True,
        interface=base.interface,
    )
    after = replace(
        base,
        where=wanted.file if wanted.replaces else base.where,
        dhcp=base.dhcp and not wanted.replaces and base.manager != "dhcpcd",
        addresses=(*(a for a in base.addresses if a not in former.addresses), *wanted.addresses),
        routes=(*(r for r in base.routes if r not in former.routes), *wanted.routes),
        own=replace(wanted, text=text),
    )
    interfaces = {**setup.interfaces, base.interface: after}
    return SetupChange(replace(setup, interfaces=interfaces), (step,))


def _text(base: InterfaceSetup, wanted: OwnFile) -> str:
    match base.manager:
        case "systemd-networkd":
            blocks = [f"[Match]\nName={base.interface}"] if wanted.replaces else []
            if wanted.addresses or wanted.replaces:
                lines = [f"Address={a}" for a in wanted.addresses]
                lines += ["IPv6AcceptRA=no"] if wanted.replaces else []
                blocks.append("\n".join(["[Network]", *lines]))
            blocks += (f"[Route]\nDestination={r.to}\nGateway={r.via}" for r in wanted.routes)
            return "\n\n".join([_MADE_BY, *blocks]) + "\n"
        case "dhcpcd":
            lines = [f"interface {base.interface}"]
            lines += (f"static ip_address={a}" for a in wanted.addresses)
            lines += (f"static routes={r.to} {r.via}" for r in wanted.routes)
        case _:
            name = base.interface
            lines = [_MADE_BY]
            lines += (f"iface {name} inet static\n    address {a}" for a in wanted.addresses)
            lines += (
                f"    up ip route replace {r.to} via {r.via} dev {name}" for r in wanted.routes
            )
    return "\n".join(lines) + "\n"


def _write(base: InterfaceSetup, own: OwnFile, text: str | None) -> str:
    """The command that makes ``text`` what fleetctl wrote; None: that it wrote nothing."""
    if base.manager == "dhcpcd":
        return _write_lines(own.file, base.interface, text)
    folder = own.file.rpartition("/")[0]
    if text is None and folder.endswith(".d") and base.manager == "systemd-networkd":
        return f"sudo sh -c {quote(f'rm -f {own.file} && (rmdir {folder} 2>/dev/null; :)')}"
    if text is None:
        return f"sudo rm -f {own.file}"
    return write_command(own.file, text, folder=folder)


def _write_lines(file: str, interface: str, text: str | None) -> str:
    """Replace the lines between the two comments; `$a\\` ends the user's last line."""
    begin, end = f"# fleetctl {interface} begin", f"# fleetctl {interface} end"
    pattern = "/,/".join(f"^{mark.replace('.', '[.]')}$" for mark in (begin, end))
    ended = r' -e "\$a\\"' if text else ""
    script = f'f={file}; cp -p $f $f.new && sed -e "/{pattern}/d"{ended} $f >$f.new'
    if text:
        lines = "\n".join([begin, f"{text}{end}", ""])
        script += f" && {printed(lines)} >>$f.new"
    return f"sudo sh -c {quote(f'{script} && mv $f.new $f')}"
