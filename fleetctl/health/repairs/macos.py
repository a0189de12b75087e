"""Repairs that work at once on macOS: route, ifconfig, sysctl and pmset."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from fleetctl.health import routing
from fleetctl.health.repairs.routes import Commands, detour_steps, route_steps
from fleetctl.health.repairs.target import RepairTarget
from fleetctl.model.network import Route
from fleetctl.model.status import RepairStep

FORWARDING = "net.inet.ip.forwarding"


def forwarding(_target: RepairTarget) -> Iterator[RepairStep]:
    """Switch IPv4 forwarding on."""
    yield RepairStep(
        f"sudo sysctl -w {FORWARDING}=1",
        "switches IPv4 forwarding on",
        f"sudo sysctl -w {FORWARDING}=0",
    )


def address(target: RepairTarget) -> Iterator[RepairStep]:
    """Give an interface the address that it must have."""
    if interface := target.finding.interface:
        mask = target.cidr.netmask
        yield RepairStep(
            f"sudo ifconfig {interface} inet {target.address} netmask {mask} alias",
            f"gives {interface} the address {target.address}",
            f"sudo ifconfig {interface} inet {target.address} -alias",
            interface=interface,
        )


def prefix(target: RepairTarget) -> Iterator[RepairStep]:
    """Give an address its right mask; macOS changes that of an address that is there."""
    if target.by_dhcp:
        return
    interface, right = target.finding.interface, target.cidr.netmask
    for entry in target.entries((target.address,)):
        if entry.network == target.cidr:
            continue
        command = f"sudo ifconfig {interface} inet {target.address} netmask {{}} alias"
        yield RepairStep(
            command.format(right),
            f"gives the address {target.address} the mask {right}",
            command.format(entry.netmask),
            interface=interface,
        )


def single_address(target: RepairTarget) -> Iterator[RepairStep]:
    """Take away an address that belongs to another node, after the own one is there."""
    if target.finding.address is not None:
        yield from address(target)
    interface = target.finding.interface
    for entry in target.entries(target.finding.found):
        yield RepairStep(
            f"sudo ifconfig {interface} inet {entry.ip} -alias",
            f"takes the address {entry.ip} away from {interface}",
            f"sudo ifconfig {interface} inet {entry.ip} netmask {entry.netmask} alias",
            interface=interface,
        )


def link_up(target: RepairTarget) -> Iterator[RepairStep]:
    """Switch an interface on that is switched off."""
    finding = target.finding
    if not finding.enabled:
        yield RepairStep(
            f"sudo ifconfig {finding.interface} up",
            f"switches {finding.interface} on",
            f"sudo ifconfig {finding.interface} down",
            interface=finding.interface,
        )


def routes(target: RepairTarget) -> Iterator[RepairStep]:
    """Route a network through its next hop."""
    return route_steps(target, _delete, _set)


def detour(target: RepairTarget) -> Iterator[RepairStep]:
    """Take away the route by which packets leave by a wrong interface."""
    return detour_steps(target, _delete, _set)


def _delete(route: Route) -> Commands:
    host = route.to.prefixlen == route.to.max_prefixlen
    to = f"-host {route.to.network_address}" if host else f"-net {route.to}"
    way = str(route.via) if route.via else f"-interface {route.interface}"
    return Commands(f"sudo route -n delete {to} {way}", f"sudo route -n add {to} {way}")


def _set(to: IPv4Network, next_hop: IPv4Address, _interface: str, wrong: Route | None) -> Commands:
    if wrong is None:
        entry = f"-net {to} {next_hop}"
        return Commands(f"sudo route -n add {entry}", f"sudo route -n delete {entry}")
    back = str(wrong.via) if wrong.via else f"-interface {wrong.interface}"
    return Commands(
        f"sudo route -n change -net {to} {next_hop}", f"sudo route -n change -net {to} {back}"
    )


def default_route(target: RepairTarget) -> Iterator[RepairStep]:
    """Point the default route at the control network's router, which the scoped default route of
    that network's interface names."""
    network, finding = target.facts.network, target.finding
    control = routing.control_interfaces(target.fleet, target.node, network)
    router = next(
        (
            r.via
            for r in routing.scoped_defaults(network)
            if r.interface in control and r.via is not None
        ),
        None,
    )
    if router is not None:
        back = str(finding.found[0]) if finding.found else f"-interface {finding.interface}"
        yield RepairStep(
            f"sudo route -n change default {router}",
            f"leads the default route through {router}",
            f"sudo route -n change default {back}",
            interface=finding.interface,
        )


def stay_awake(target: RepairTarget) -> Iterator[RepairStep]:
    """Keep the Mac awake. ``pmset`` saves what it sets, so one step works at once and lasts."""
    setup = target.setup
    undo = f"sudo pmset -a sleep {target.finding.idle_minutes or 1}"
    if setup is not None and setup.sleep_minutes is not None:
        undo = f"sudo pmset -a sleep {setup.sleep_minutes}"
        if setup.disk_sleep_minutes is not None:
            undo += f" disksleep {setup.disk_sleep_minutes}"
    does = "keeps the Mac and its disks from going to sleep"
    yield RepairStep("sudo pmset -a sleep 0 disksleep 0", does, undo, lasts=True)
