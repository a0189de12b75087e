"""Faults that lead packets past the network on which they belong."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_interface

from msgspec import Struct

from fleetctl.lab import wiring
from fleetctl.lab.blueprint import Blueprint, Machine, Port
from fleetctl.lab.faults.kind import FaultKind
from fleetctl.lab.personality import is_mac
from fleetctl.lab.state import Fault, State

VPN_ADDRESS = "100.70.80.90/32"


class Detour(Struct, frozen=True):
    """A way to a peer over the control network."""

    to: str
    """The peer's address on a cluster network."""
    via: str
    """Its address on the control network."""
    interface: str


# -- what a machine's packets should use; pure -----------------------------------------------------


def target(plan: Blueprint, machine: Machine) -> str | None:
    """The cluster network that is led astray: one behind a gateway, else one of its own."""
    routed = {r.to for r in machine.routes if r.kind == "route"}
    behind = [s.name for s in plan.segments.values() if s.cidr in routed and not s.control]
    own = [p.network for p in machine.ports if not plan.segments[p.network].control]
    return next((name for name in (*behind, *own) if _peers(plan, machine, name)), None)


def detour(plan: Blueprint, machine: Machine) -> Detour | None:
    """A way over the control network to the first peer that is on both networks."""
    network = target(plan, machine)
    controls = [p for p in machine.ports if plan.segments[p.network].control]
    if network is None:
        return None
    for peer in _peers(plan, machine, network):
        for own in controls:
            there, far = peer.port_on(own.network), peer.port_on(network)
            if there is not None and far is not None:
                return Detour(_address(far), _address(there), own.interface)
    return None


def _peers(plan: Blueprint, machine: Machine, network: str) -> list[Machine]:
    return [m for m in map(plan.machines.__getitem__, plan.nodes)
            if m.key != machine.key and m.port_on(network)]  # fmt: skip


def _address(port: Port) -> str:
    return str(ip_interface(port.addresses[0]).ip)


def vpn_interface(machine: Machine) -> str:
    """The name that the VPN gives its interface."""
    return "utun4" if is_mac(machine) else "tailscale0"


# -- putting it into effect ------------------------------------------------------------------------


def _lead_past(now: State, fault: Fault, active: bool) -> State:
    machine = now.blueprint.machines[fault.node]
    way = detour(now.blueprint, machine)
    assert way is not None, fault
    route = f"{way.to}/32 via {way.via} dev {way.interface}"
    lines = [f"route replace {route}"]  # also to delete it, so that it is there
    wiring.ip_batch(
        now.processes[machine.key],
        lines if active else [*lines, f"route delete {route}"],
        machine.hostname,
    )
    return now


def _join_vpn(now: State, fault: Fault, active: bool) -> State:
    """An interface that swallows packets, and routes to both halves of the network: they are
    narrower than its own."""
    machine = now.blueprint.machines[fault.node]
    process, name = now.processes[machine.key], vpn_interface(machine)
    wiring.ip_batch(process, [f"link delete {name}"], machine.hostname, lenient=True)
    network = target(now.blueprint, machine)
    if not active or network is None:
        return now
    halves = IPv4Network(now.blueprint.segments[network].cidr).subnets()
    lines = [
        f"link add {name} type bridge",  # without ports, and
        f"link set {name} arp off",  # without ARP: packets vanish, as in a tunnel
        f"address add {VPN_ADDRESS} dev {name}",
        f"link set {name} up",
        *(f"route replace {half} dev {name}" for half in halves),
    ]
    wiring.ip_batch(process, lines, machine.hostname)
    return now


# -- kinds -----------------------------------------------------------------------------------------


def _has_detour(plan: Blueprint, machine: Machine) -> list[str | None]:
    return [None] if machine.role == "ssh" and detour(plan, machine) else []


def _has_target(plan: Blueprint, machine: Machine) -> list[str | None]:
    return [None] if machine.role == "ssh" and target(plan, machine) else []


KINDS = (
    FaultKind(
        name="detour",
        sentence="A route to one cluster address leads over the control network.",
        places=_has_detour,
        lacks="it is not on both networks with another node, or has no SSH server",
        lives="memory",
        apply=_lead_past,
    ),
    FaultKind(
        name="vpn-route",
        sentence="A VPN takes all packets to a cluster network, and they vanish.",
        places=_has_target,
        lacks="it has no neighbour on a cluster network, or no SSH server",
        lives="memory",
        apply=_join_vpn,
    ),
)
