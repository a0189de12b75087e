"""Through which other nodes a node can be reached when it does not answer directly. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address

from msgspec import Struct

from fleetctl.model.expectations import Expectations, ExpectedRoute
from fleetctl.model.topology import Fleet

_HOPS = 8


class Neighbour(Struct, frozen=True):
    """A node from which another one is reached over networks for data."""

    node: str
    address: IPv4Address
    """That of the node to reach."""
    carrying: tuple[tuple[str, str], ...]
    """The places that the packets cross, as nodes and networks."""


Routes = Mapping[tuple[str, str], ExpectedRoute]
"""By node and network: the route there."""


def routes(expectations: Expectations) -> Routes:
    return {(route.node, route.network): route for route in expectations.routes}


def neighbours(fleet: Fleet, known: Routes, name: str) -> Sequence[Neighbour]:
    """Those on a network for data with ``name``, then those with a route to one of its networks;
    both in the order of nodes.yaml."""
    near: dict[str, Neighbour] = {}
    far: dict[str, Neighbour] = {}
    data = [
        (network, address)
        for network, address in fleet.nodes[name].addresses.items()
        if not fleet.networks[network].control
    ]
    for other in fleet.nodes.values():
        if other.name == name or other.connection == "none":
            continue
        for network, address in data:
            if network in other.addresses:
                direct = ((other.name, network), (name, network))
                near.setdefault(other.name, Neighbour(other.name, address, direct))
            elif way := tuple(_way(fleet, known, other.name, network)):
                routed = (*way, (name, network))
                far.setdefault(other.name, Neighbour(other.name, address, routed))
    return [*near.values(), *(one for one in far.values() if one.node not in near)]


def _way(fleet: Fleet, known: Routes, start: str, network: str) -> Iterator[tuple[str, str]]:
    """The places that are crossed from ``start`` to ``network``; none: it has no route there."""
    at = start
    for _ in range(_HOPS):
        route = known.get((at, network))
        link = fleet.shared_network(at, route.gateway) if route else None
        if route is None or link is None:
            return
        yield at, link.name
        yield route.gateway, link.name
        at = route.gateway
        if network in fleet.nodes[at].addresses:
            yield at, network
            return
