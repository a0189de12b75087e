"""Which routes a repair deletes and sets, on any system."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network

from msgspec import Struct

from fleetctl.health import routing
from fleetctl.health.repairs.target import RepairTarget
from fleetctl.model.network import Route
from fleetctl.model.status import RepairStep


class Commands(Struct, frozen=True):
    """A command and its undo."""

    command: str
    undo: str


DeleteRoute = Callable[[Route], Commands]
"""How a system deletes a route."""
SetRoute = Callable[[IPv4Network, IPv4Address, str, Route | None], Commands]
"""How a system sets a route: destination, next hop, interface, and the wrong route to replace."""


def route_steps(
    target: RepairTarget, delete_route: DeleteRoute, set_route: SetRoute
) -> Iterator[RepairStep]:
    """Route the finding's network through its next hop."""
    to, next_hop = target.cidr, target.address
    interface = target.route_interface
    network = target.facts.network
    for via in target.finding.found:
        for part in routing.narrower(network, to, via):
            does = f"takes away the route to {part.to}, a part of {to}, via {part.via}"
            delete = delete_route(part)
            yield RepairStep(delete.command, does, delete.undo, interface=part.interface)
    entry = routing.exact(network, to)
    if entry is not None and entry.via == next_hop:
        return
    instead = (
        f" instead of {', '.join(map(str, target.finding.found)) or entry.type}" if entry else ""
    )
    change = set_route(to, next_hop, interface, entry)
    yield RepairStep(
        change.command, f"leads {to} through {next_hop}{instead}", change.undo, interface=interface
    )
