"""Leading packets right: what is to be taken away and set, however a system says that."""

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


TakeAway = Callable[[Route], Commands]
"""How a system takes an entry away."""
SetRoute = Callable[[IPv4Network, IPv4Address, str, Route | None], Commands]
"""Given destination, next hop, interface and the wrong entry that is there, how it sets a route."""


def route_steps(
    target: RepairTarget, take_away: TakeAway, set_route: SetRoute
) -> Iterator[RepairStep]:
    """Lead the finding's network through its next hop."""
    to, next_hop = target.cidr, target.address
    interface = target.route_interface
    network = target.facts.network
    for via in target.finding.found:
        for part in routing.narrower(network, to, via):
            does = f"takes away the route to {part.to}, a part of {to}, via {part.via}"
            done = take_away(part)
            yield RepairStep(done.command, does, done.undo, interface=part.interface)
    entry = routing.exact(network, to)
    if entry is not None and entry.via == next_hop:
        return
    instead = (
        f" instead of {', '.join(map(str, target.finding.found)) or entry.type}" if entry else ""
    )
    done = set_route(to, next_hop, interface, entry)
    yield RepairStep(
        done.command, f"leads {to} through {next_hop}{instead}", done.undo, interface=interface
    )
