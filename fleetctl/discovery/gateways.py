"""Which node forwards for which: by the routes that nodes have, else by where nodes stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from fleetctl.discovery.draft import Noted, as_fleet
from fleetctl.discovery.subnets import IN_FILE, Found
from fleetctl.model.expectations import derive
from fleetctl.model.facts import NodeFacts
from fleetctl.model.network import Route
from fleetctl.model.topology import Fleet

Via = dict[str, dict[str, Noted[str]]]
"""By node and network."""

_SHORTEST_PREFIX = 8
"""A route to more than that is a default route or half of one."""
_HUB_MEMBERS = 3
"""A network of so many nodes is one that others want to reach; a Thunderbolt network always is."""


class _Seen(Struct, frozen=True):
    """A route of a node to a network through another node."""

    node: str
    network: str
    gateway: str
    route: Route


def find_gateways(found: Found, facts: Mapping[str, NodeFacts], fleet: Fleet | None = None) -> Via:
    """``via`` of each node. Routes that follow from those of others, as ways back do, are left
    out.

    :param fleet: what a nodes.yaml says already; it is kept.
    """
    via: Via = {
        name: {network: Noted(gateway, IN_FILE) for network, gateway in node.via.items()}
        for name, node in (fleet.nodes.items() if fleet else ())
        if node.via and name in found.addresses
    }
    first: dict[tuple[str, str], _Seen] = {}
    for one in _seen(found, facts):
        first.setdefault((one.node, one.network), one)
    seen = sorted(
        first.values(),
        key=lambda s: (-len(found.members(s.network)), len(found.addresses[s.node])),
    )
    for one in seen:
        leads = one.network in found.addresses[one.gateway]
        leads = leads or one.network in via.get(one.gateway, {})
        if leads and not _follows(found, via, one.node, one.network):
            why = f"its route to {one.route.to} via {one.route.via}"
            via.setdefault(one.node, {})[one.network] = Noted(one.gateway, why)
    for network in _hubs(found):
        for node in found.addresses:
            gateways = list(_beside(found, node, network))
            if gateways and not _follows(found, via, node, network):
                why = f"{gateways[0]} is on {network} and beside {node}, which has no route there"
                via.setdefault(node, {})[network] = Noted(gateways[0], why, guessed=True)
    return via


def forwarding(
    gateway: str, via: Mapping[str, Mapping[str, Noted[str]]], facts: Mapping[str, NodeFacts]
) -> Noted[bool] | None:
    """Whether and why ``gateway`` forwards; None: no node needs it."""
    clients = {
        f"{node} to {network}": noted
        for node, own in via.items()
        for network, noted in own.items()
        if noted.value == gateway
    }
    if not clients:
        return None
    why = f"for {', '.join(clients)}"
    if gateway in facts and facts[gateway].network.forwarding is False:
        why += "; it does not forward now: fleetctl fix"
    return Noted(True, why, guessed=all(noted.guessed for noted in clients.values()))


def _seen(found: Found, facts: Mapping[str, NodeFacts]) -> Iterator[_Seen]:
    owners = {noted.value: node for node, own in found.addresses.items() for noted in own.values()}
    for node, said in facts.items():
        for route in said.network.routes or ():
            if route.via is None or route.type != "unicast" or route.scoped or route.cloned:
                continue
            gateway = owners.get(route.via)
            if gateway is None or gateway == node or route.to.prefixlen < _SHORTEST_PREFIX:
                continue
            for name, network in found.networks.items():
                if network.cidr.subnet_of(route.to) and name not in found.addresses[node]:
                    yield _Seen(node, name, gateway, route)


def _follows(found: Found, via: Via, node: str, network: str) -> bool:
    """Whether the node's route to the network follows from what is there already."""
    to = found.networks[network].cidr
    routes = derive(as_fleet(found.networks, found.addresses, via)).routes
    return any(route.node == node and route.to == to for route in routes)


def _hubs(found: Found) -> Iterator[str]:
    for name, network in found.networks.items():
        many = len(found.members(name)) >= _HUB_MEMBERS
        if not network.control and (many or network.kind == "thunderbolt"):
            yield name


def _beside(found: Found, node: str, network: str) -> Iterator[str]:
    """The nodes on ``network`` that share a network with ``node``, other than the control
    network."""
    own = found.addresses[node]
    if network in own:
        return
    for other in found.members(network):
        shared = own.keys() & found.addresses[other].keys()
        if any(not found.networks[name].control for name in shared):
            yield other
