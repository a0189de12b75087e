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


def needs_own_route(target: RepairTarget) -> bool:
    """Whether packets that leave by a wrong interface go right by a route to their network through
    its next hop: it replaces a wrong one, and goes before a wider one."""
    finding, entry = target.finding, target.finding.entry
    if finding.address is None or entry is None:
        return False
    return entry.to.supernet_of(target.cidr) and not (finding.owner and entry.to == target.cidr)


def detour_steps(
    target: RepairTarget, delete_route: DeleteRoute, set_route: SetRoute
) -> Iterator[RepairStep]:
    """Take away the route by which packets leave by a wrong interface."""
    finding, entry, cidr = target.finding, target.finding.entry, target.cidr
    if needs_own_route(target):
        wrong = entry if entry and entry.to == cidr else None
        change = set_route(cidr, target.address, target.route_interface, wrong)
        does = f"leads {cidr} through {target.address}"
        yield RepairStep(change.command, does, change.undo, interface=target.route_interface)
        return
    if why_detour_stays(target):
        return
    if entry is not None and not entry.to.supernet_of(cidr):
        delete = delete_route(entry)
        does = f"takes away the route to {entry.to}, so that {finding.instead} is used"
        yield RepairStep(delete.command, does, delete.undo, interface=_touched(target, entry))
    link = _link(target)
    if finding.address is None and not _stands(target, link):
        # what undoes its deletion sets it
        back = delete_route(link)
        does = f"leads {cidr} onto {finding.instead}, as its address there says"
        yield RepairStep(back.undo, does, back.command, interface=finding.instead)


def _link(target: RepairTarget) -> Route:
    """The route that an address brings by itself."""
    return Route(target.cidr, None, target.finding.instead)


def _stands(target: RepairTarget, route: Route) -> bool:
    """Whether the table has such a route, whatever its metric."""
    way = (route.to, route.via, route.interface)
    return any((r.to, r.via, r.interface) == way for r in routing.routes(target.facts.network))


def _touched(target: RepairTarget, entry: Route) -> str:
    """The interface on which taking away ``entry`` could cut a connection; empty: none.

    SSH comes over the control network, so a route within another network does not carry it.
    """
    network = target.finding.network
    within = network is not None and not network.control and entry.to.subnet_of(network.cidr)
    return "" if within else entry.interface


def why_detour_stays(target: RepairTarget) -> str:
    """Why no route can be taken away; empty: one can."""
    finding, entry = target.finding, target.finding.entry
    if finding.owner:
        return f"{finding.interface} belongs to {finding.owner.name}: {finding.owner.leave}"
    if entry is None and (finding.address is not None or _stands(target, _link(target))):
        return f"no route in the table of {finding.node} leads there, so a rule before it does"
    if entry is not None and entry.via is None and _has_address_in(target, entry):
        return (
            f"{entry.interface} has an address of its own in {entry.to}: take that address away, "
            "or give that network another number"
        )
    return ""


def _has_address_in(target: RepairTarget, entry: Route) -> bool:
    own = next(
        (i for i in target.facts.network.interfaces or () if i.name == entry.interface), None
    )
    return own is not None and any(a.network == entry.to for a in own.addresses)
