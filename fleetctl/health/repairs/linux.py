"""Repairs that work at once on Linux: ip, sysctl and iw."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from fleetctl.health import routing
from fleetctl.health.repairs.routes import Commands, detour_steps, route_steps
from fleetctl.health.repairs.target import RepairTarget
from fleetctl.model.network import Route
from fleetctl.model.status import RepairStep

FORWARDING = "net.ipv4.ip_forward"


def filter_key(interface: str) -> str:
    """The sysctl of an interface's reverse-path filter.

    sysctl(8) takes a slash for a dot that belongs to an interface's name.
    """
    return f"net.ipv4.conf.{interface.replace('.', '/')}.rp_filter"


def forwarding(_target: RepairTarget) -> Iterator[RepairStep]:
    """Switch IPv4 forwarding on."""
    yield RepairStep(
        f"sudo sysctl -w {FORWARDING}=1",
        "switches IPv4 forwarding on",
        f"sudo sysctl -w {FORWARDING}=0",
    )


def loose_filter(target: RepairTarget) -> Iterator[RepairStep]:
    """Let an interface accept packets that are answered over another interface.

    The step names no interface to protect: accepting more packets cannot cut a connection.
    """
    if interface := target.finding.interface:
        key = filter_key(interface)
        yield RepairStep(
            f"sudo sysctl -w {key}=2",
            f"lets {interface} accept packets that are answered over another interface",
            f"sudo sysctl -w {key}=1",
        )


def radio_awake(target: RepairTarget) -> Iterator[RepairStep]:
    """Keep a Wi-Fi interface from saving power; that cannot cut a connection either."""
    if interface := target.finding.interface:
        yield RepairStep(
            f"sudo iw dev {interface} set power_save off",
            f"keeps the radio of {interface} awake",
            f"sudo iw dev {interface} set power_save on",
        )


def address(target: RepairTarget) -> Iterator[RepairStep]:
    """Give an interface the address that it must have."""
    if interface := target.finding.interface:
        given = f"{target.address}/{target.cidr.prefixlen}"
        yield RepairStep(
            f"sudo ip addr add {given} dev {interface}",
            f"gives {interface} the address {given}",
            f"sudo ip addr del {given} dev {interface}",
            interface=interface,
        )


def prefix(target: RepairTarget) -> Iterator[RepairStep]:
    """Give an address its right mask: first it is added with that, so that routes stay."""
    if target.by_dhcp:
        return
    yield from () if target.has_address else address(target)
    for length in target.finding.masks:
        yield _without(target, f"{target.address}/{length}")


def single_address(target: RepairTarget) -> Iterator[RepairStep]:
    """Take away an address that belongs to another node, after the own one is there."""
    if target.finding.address is not None:
        yield from address(target)
    for entry in target.entries(target.finding.found):
        yield _without(target, str(entry))


def _without(target: RepairTarget, given: str) -> RepairStep:
    interface = target.finding.interface
    return RepairStep(
        f"sudo ip addr del {given} dev {interface}",
        f"takes the address {given} away from {interface}",
        f"sudo ip addr add {given} dev {interface}",
        interface=interface,
    )


def link_up(target: RepairTarget) -> Iterator[RepairStep]:
    """Switch an interface on that is switched off."""
    finding = target.finding
    if not finding.enabled:
        yield RepairStep(
            f"sudo ip link set {finding.interface} up",
            f"switches {finding.interface} on",
            f"sudo ip link set {finding.interface} down",
            interface=finding.interface,
        )


def routes(target: RepairTarget) -> Iterator[RepairStep]:
    """Route a network through its next hop."""
    return route_steps(target, _delete, _set)


def detour(target: RepairTarget) -> Iterator[RepairStep]:
    """Take away the route by which packets leave by a wrong interface."""
    return detour_steps(target, _delete, _set)


def _delete(route: Route) -> Commands:
    entry = _entry(route)
    return Commands(f"sudo ip route del {entry}", f"sudo ip route add {entry}")


def _set(to: IPv4Network, next_hop: IPv4Address, interface: str, wrong: Route | None) -> Commands:
    way = f"via {next_hop}" + (f" dev {interface}" if interface else "")
    if wrong is None:
        return Commands(f"sudo ip route replace {to} {way}", f"sudo ip route del {to} {way}")
    # Without its metric "replace" would set a second route beside the wrong one.
    metric = f" metric {wrong.metric}" if wrong.metric else ""
    return Commands(
        f"sudo ip route replace {to} {way}{metric}", f"sudo ip route replace {_entry(wrong)}"
    )


def _entry(route: Route) -> str:
    """A route as arguments of ``ip route``."""
    to = "default" if route.to.prefixlen == 0 else str(route.to)
    words = [to if route.type == "unicast" else f"{route.type} {to}"]
    if route.via is not None:
        words.append(f"via {route.via}")
    if route.interface and route.type == "unicast":
        words.append(f"dev {route.interface}")
    if route.metric:
        words.append(f"metric {route.metric}")
    return " ".join(words)


def default_route(target: RepairTarget) -> Iterator[RepairStep]:
    """Delete the default routes that are preferred to the control network's."""
    network, interface = target.facts.network, target.finding.interface
    control = routing.control_interfaces(target.fleet, target.node, network)
    defaults = routing.defaults(network)
    right = routing.best([r for r in defaults if r.interface in control])
    for stolen in defaults if right else ():
        if stolen.interface == interface and right and stolen.metric <= right.metric:
            delete = _delete(stolen)
            yield RepairStep(
                delete.command,
                f"takes away the default route over {interface}, so that the one over the control "
                "network counts",
                delete.undo,
                interface=interface,
            )
