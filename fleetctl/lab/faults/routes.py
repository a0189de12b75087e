"""Faults of routes and addresses."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, ip_interface

from fleetctl.lab import persistence, wiring
from fleetctl.lab.blueprint import CONTROLLER, ROUTER, Blueprint, Machine, Route
from fleetctl.lab.faults.kind import Apply, FaultKind, Lives, Places
from fleetctl.lab.state import Fault, State

STOLEN_METRIC = 100
"""NetworkManager's for Ethernet: better than every default route of the lab."""
WRONG_PREFIX = 16


# -- what follows from all active faults together; pure --------------------------------------------


def wanted_routes(plan: Blueprint, faults: tuple[Fault, ...], machine: Machine) -> list[str]:
    """The lines of `ip -batch` that set the machine's routes as they are under ``faults``."""
    kinds = {fault.kind for fault in faults if fault.node == machine.key}
    missing = {"route-missing": "route", "return-route-missing": "return"}
    gone = {missing[kind] for kind in kinds & missing.keys()}
    bare = bare_interfaces(faults, machine)
    lines = []
    for route in machine.routes:
        if route.interface in bare:
            continue  # its routes are gone with the address
        if route.kind in gone:
            lines.append(f"route flush exact {route.to}")
        else:
            via, interface = route.via, route.interface
            if "wrong-gateway" in kinds and route.kind == "route":
                via, interface = wrong_gateway(plan, machine, route) or (via, interface)
            lines.append(f"route replace {route.to} via {via} dev {interface}")
    stolen = wrong_default(plan, machine)
    if machine.default and stolen and stolen[1] not in bare:
        via, interface = stolen
        default = f"default via {via} dev {interface} metric {STOLEN_METRIC}"
        lines.append(f"route replace {default}")
        if "default-route-stolen" not in kinds:
            lines.append(f"route delete {default}")  # replaced first, so that it is there
    return lines


def bare_interfaces(faults: tuple[Fault, ...], machine: Machine) -> set[str]:
    """The interfaces of a machine that have no address under ``faults``."""
    networks = _networks(faults, machine, "address-missing")
    return {port.interface for port in machine.ports if port.network in networks}


def wanted_addresses(faults: tuple[Fault, ...], machine: Machine, network: str | None) -> list[str]:
    """The lines of `ip -batch` that set the machine's addresses on a network under ``faults``."""
    bare = bare_interfaces(faults, machine)
    wide = _networks(faults, machine, "wrong-prefix")
    lines = []
    for port in machine.ports:
        for address in port.addresses if port.network == network else ():
            own = ip_interface(address)
            lines.append(f"address flush dev {port.interface} to {own.ip}")
            if port.interface not in bare:
                length = WRONG_PREFIX if port.network in wide else own.network.prefixlen
                lines.append(f"address add {own.ip}/{length} broadcast + dev {port.interface}")
    return lines


def twin(plan: Blueprint, machine: Machine, network: str | None) -> tuple[str, str] | None:
    """Another machine's address on a network, with its mask, and the own interface there.

    Of a machine that is no next hop, if there is one.
    """
    own = machine.port_on(network or "")
    hops = {route.via for route in machine.routes}
    peers = [
        port.addresses[0]
        for key in plan.nodes
        if key != machine.key and (port := plan.machines[key].port_on(network or ""))
    ]
    if own is None or not peers:
        return None
    peers.sort(key=lambda address: str(ip_interface(address).ip) in hops)
    return peers[0], own.interface


def _networks(faults: tuple[Fault, ...], machine: Machine, kind: str) -> set[str | None]:
    return {f.network for f in faults if f.kind == kind and f.node == machine.key}


def wrong_gateway(plan: Blueprint, machine: Machine, route: Route) -> tuple[str, str] | None:
    """Address and interface of a wrong next hop for a route.

    A neighbour on the same network that does not forward, else an unused address there, else the
    home router.
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


def wrong_default(plan: Blueprint, machine: Machine) -> tuple[str, str] | None:
    """Address and interface of a wrong next hop for a default route: a gateway of the cluster."""
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


# -- putting it into effect ------------------------------------------------------------------------


def _settle_routes(now: State, fault: Fault, _active: bool) -> State:
    """Set the routes; twin addresses are away meanwhile, for none of them may be a next hop."""
    plan, machine = now.blueprint, now.blueprint.machines[fault.node]
    twins = [twin(plan, machine, port.network) for port in machine.ports]
    active = [twin(plan, machine, n) for n in _networks(now.faults, machine, "twin-address")]
    away = [
        f"address flush dev {found[1]} to {ip_interface(found[0]).ip}" for found in twins if found
    ]
    there = [f"address add {found[0]} dev {found[1]}" for found in active if found]
    _ip(now, machine, [*away, *wanted_routes(plan, now.faults, machine), *there])
    return now


def _settle_addresses(now: State, fault: Fault, active: bool) -> State:
    machine = now.blueprint.machines[fault.node]
    _ip(now, machine, wanted_addresses(now.faults, machine, fault.network))
    return _settle_routes(now, fault, active)


def _settle_disk(now: State, fault: Fault, _active: bool) -> State:
    machine = now.blueprint.machines[fault.node]
    persistence.keep_network(
        now.blueprint,
        machine,
        now.processes[machine.key].root,
        _networks(now.faults, machine, "address-not-persistent"),
        routes=not _networks(now.faults, machine, "route-not-persistent"),
    )
    return now


def _ip(now: State, machine: Machine, lines: Iterable[str]) -> None:
    wiring.ip_batch(now.processes[machine.key], lines, machine.hostname)


# -- kinds -----------------------------------------------------------------------------------------


def _has_route(_plan: Blueprint, machine: Machine) -> list[str | None]:
    return [None] if any(r.kind == "route" for r in machine.routes) else []


def _has_wrong_gateway(plan: Blueprint, machine: Machine) -> list[str | None]:
    routes = [route for route in machine.routes if route.kind == "route"]
    wrong = routes and all(wrong_gateway(plan, machine, route) for route in routes)
    return [None] if wrong else []


def _has_return(_plan: Blueprint, machine: Machine) -> list[str | None]:
    return [None] if any(r.kind == "return" for r in machine.routes) else []


def _has_wrong_default(plan: Blueprint, machine: Machine) -> list[str | None]:
    return [None] if machine.default and wrong_default(plan, machine) else []


def _cluster(plan: Blueprint, machine: Machine) -> list[str | None]:
    own = [plan.segments[p.network] for p in machine.ports if machine.role == "ssh"]
    return [s.name for s in own if not s.control]


def _has_twin(plan: Blueprint, machine: Machine) -> list[str | None]:
    return [network for network in _cluster(plan, machine) if twin(plan, machine, network)]


def _has_routes(plan: Blueprint, machine: Machine) -> list[str | None]:
    on_cluster = [r for r in machine.routes if not plan.segments[r.network].control]
    return [None] if machine.role == "ssh" and on_cluster else []


def _kind(
    name: str,
    sentence: str,
    places: Places,
    lacks: str,
    apply: Apply = _settle_routes,
    lives: Lives = "memory",
) -> FaultKind:
    return FaultKind(
        name=name, sentence=sentence, places=places, lacks=lacks, lives=lives, apply=apply
    )


KINDS = (
    _kind(
        "route-missing",
        "The machine's routes through its gateways are gone.",
        _has_route,
        "no route leads from it through a gateway",
    ),
    _kind(
        "wrong-gateway",
        "The machine's routes through its gateways lead to a machine that does not forward.",
        _has_wrong_gateway,
        "no route leads from it through a gateway, or there is no other to lead to",
    ),
    _kind(
        "return-route-missing",
        "The machine's routes back to the networks behind gateways are gone.",
        _has_return,
        "it has no return route",
    ),
    _kind(
        "default-route-stolen",
        "A better default route leads into the cluster instead of to the internet.",
        _has_wrong_default,
        "it has no default route, or no neighbour in the cluster",
    ),
    _kind(
        "address-missing",
        "The machine's address on a cluster network is gone, and the routes over it.",
        _cluster,
        "it has an address on no cluster network, or no SSH server",
        _settle_addresses,
    ),
    _kind(
        "wrong-prefix",
        f"The machine's address on a cluster network has the mask /{WRONG_PREFIX}.",
        _cluster,
        "it has an address on no cluster network, or no SSH server",
        _settle_addresses,
    ),
    _kind(
        "twin-address",
        "The machine has another one's address on a cluster network, too.",
        _has_twin,
        "it has no neighbour on a cluster network, or no SSH server",
    ),
    _kind(
        "address-not-persistent",
        "The machine has its address on a cluster network; its next boot brings another one.",
        _cluster,
        "it has an address on no cluster network, or no SSH server",
        _settle_disk,
        "disk",
    ),
    _kind(
        "route-not-persistent",
        "The machine has its routes through gateways, but no longer after its next boot.",
        _has_routes,
        "it has no route through a gateway of the cluster, or no SSH server",
        _settle_disk,
        "disk",
    ),
)
