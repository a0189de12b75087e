"""What follows from all active faults together, for cables and routes. Pure."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_interface

from fleetctl.lab.blueprint import CONTROLLER, ROUTER, Blueprint, Machine, Port, Route
from fleetctl.lab.state import Fault
from fleetctl.lab.wiring import Link

STOLEN_METRIC = 100
"""NetworkManager's for Ethernet: better than every default route of the lab."""


def port_state(plan: Blueprint, faults: tuple[Fault, ...], key: str, port: Port) -> Link:
    """Whether a machine's port has a carrier, and whether its packets arrive, under ``faults``."""
    others = {end for end in plan.ends(port.network) if end != key}
    carrier = joined = True
    for fault in faults:
        here = fault.network == port.network
        match fault.kind:
            case "wifi-down" | "fabric-down":
                carrier &= not (here and fault.node == key)
            case "edge-down":
                carrier &= not here
            case "power-off":
                carrier &= not (plan.segments[port.network].cable and fault.node in others)
            case "wifi-blackhole":
                joined &= not (here and fault.node == key)
    return Link(carrier=carrier, joined=joined)


def wanted_routes(plan: Blueprint, faults: tuple[Fault, ...], machine: Machine) -> list[str]:
    """The lines of `ip -batch` that set the machine's routes as they are under ``faults``."""
    kinds = {fault.kind for fault in faults if fault.node == machine.key}
    missing = {"route-missing": "route", "return-route-missing": "return"}
    gone = {missing[kind] for kind in kinds & missing.keys()}
    bare = bare_interfaces(faults, machine)
    lines = []
    for route in machine.routes:
        if route.interface in bare:
            continue  # no way leads out there: its routes went with the address
        if route.kind in gone:
            lines.append(f"route flush exact {route.to}")
        else:
            via, interface = route.via, route.interface
            if "wrong-gateway" in kinds and route.kind == "route":
                via, interface = wrong_gateway(plan, machine, route) or (via, interface)
            lines.append(f"route replace {route.to} via {via} dev {interface}")
    stolen = thief(plan, machine)
    if machine.default and stolen and stolen[1] not in bare:
        via, interface = stolen
        default = f"default via {via} dev {interface} metric {STOLEN_METRIC}"
        lines.append(f"route replace {default}")
        if "default-route-stolen" not in kinds:
            lines.append(f"route delete {default}")  # replaced first, so that it is there
    return lines


def bare_interfaces(faults: tuple[Fault, ...], machine: Machine) -> set[str]:
    """The interfaces of a machine that have no address under ``faults``."""
    networks = {f.network for f in faults if f.kind == "address-missing" and f.node == machine.key}
    return {port.interface for port in machine.ports if port.network in networks}


def wanted_addresses(faults: tuple[Fault, ...], machine: Machine, network: str | None) -> list[str]:
    """The lines of `ip -batch` that set the machine's addresses on a network under ``faults``."""
    bare = bare_interfaces(faults, machine)
    lines = []
    for port in machine.ports:
        for address in port.addresses if port.network == network else ():
            own = ip_interface(address)
            if port.interface in bare:
                lines.append(f"address flush dev {port.interface} to {own.ip}")
            else:
                broadcast = own.network.broadcast_address
                lines.append(f"address replace {own} broadcast {broadcast} dev {port.interface}")
    return lines


def wrong_gateway(plan: Blueprint, machine: Machine, route: Route) -> tuple[str, str] | None:
    """Address and interface of what a route can wrongly lead to.

    A neighbour on the same network that forwards nothing, else an address there that nobody has,
    else the home router.
    """
    neighbours = {
        address.partition("/")[0]: other
        for other in plan.machines.values()
        for port in other.ports
        if port.network == route.network
        for address in port.addresses
    }
    for address, other in neighbours.items():
        if other.role == "ssh" and not other.forwarding and other.key != machine.key:
            return address, route.interface
    for free in IPv4Network(plan.segments[route.network].cidr).hosts():
        if str(free) not in neighbours:
            return str(free), route.interface
    return (machine.default.via, machine.default.interface) if machine.default else None


def thief(plan: Blueprint, machine: Machine) -> tuple[str, str] | None:
    """Address and interface of the edge gateway that a default route can wrongly lead to."""
    for route in machine.routes:
        if route.kind == "route" and not plan.segments[route.network].control:
            return route.via, route.interface
    for port in machine.ports:
        if plan.segments[port.network].control:
            continue
        for key in plan.ends(port.network):
            peer = plan.machines[key].port_on(port.network)
            if peer and key not in (machine.key, CONTROLLER, ROUTER):
                return str(ip_interface(peer.addresses[0]).ip), port.interface
    return None
