"""What must be true of a fleet, derived from nodes.yaml (the table "What is derived" there)."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from itertools import pairwise
from typing import Literal

from msgspec import Struct

from fleetctl.model.topology import Fleet, Network, Node

RouteKind = Literal["route", "return"]


class ExpectedRoute(Struct, frozen=True):
    """``node`` reaches ``to`` through ``via``, which is ``gateway``'s address."""

    node: str
    to: IPv4Network
    network: str
    """The network whose cidr ``to`` is."""
    via: IPv4Address
    gateway: str
    kind: RouteKind


class ExpectedReach(Struct, frozen=True):
    """``node`` must (or must not) get an answer from ``to``, an address of ``peer``."""

    node: str
    to: IPv4Address
    peer: str
    network: str
    expected: bool


class Expectations(Struct, frozen=True):
    """Everything derived from one nodes.yaml, in the order of its nodes."""

    routes: tuple[ExpectedRoute, ...]
    forwarding: frozenset[str]
    """Nodes that must forward IPv4 packets, now and after a reboot."""
    reach: tuple[ExpectedReach, ...]

    def routes_of(self, node: str) -> tuple[ExpectedRoute, ...]:
        return tuple(r for r in self.routes if r.node == node)

    def reach_of(self, node: str) -> tuple[ExpectedReach, ...]:
        return tuple(r for r in self.reach if r.node == node)


def derive(fleet: Fleet) -> Expectations:
    """Derive routes, return routes, forwarding and reachability of ``fleet``.

    ``fleet`` must be one that the config reader accepted: every ``via`` leads, hop by hop, through
    nodes that are neighbours, to one that is on the network.
    """
    routes: dict[tuple[str, IPv4Network], ExpectedRoute] = {}
    returns: list[ExpectedRoute] = []

    forwarding = {name for name, node in fleet.nodes.items() if node.gateway}
    for node in fleet.nodes.values():
        for network_name in node.via:
            target = fleet.networks[network_name]
            chain = _chain(fleet, node, network_name)
            forwarding.update(chain)
            there = _route(fleet, node.name, target, chain[0], "route")
            routes[node.name, there.to] = there
            returns.extend(_returns(fleet, node, target, chain))
    for back in returns:  # a way that the user chose goes before one that is derived
        routes.setdefault((back.node, back.to), back)

    ordered = sorted(routes.values(), key=lambda r: list(fleet.nodes).index(r.node))
    return Expectations(
        routes=tuple(ordered),
        forwarding=frozenset(forwarding),
        reach=tuple(_reach(fleet, ordered)),
    )


def _chain(fleet: Fleet, node: Node, network: str) -> list[str]:
    """The gateways between ``node`` and ``network``, nearest first; the last one is on it."""
    chain = [node.via[network]]
    while network not in fleet.nodes[chain[-1]].addresses:
        hop = fleet.nodes[chain[-1]].via[network]
        if hop in chain:
            raise ValueError(f"via of {node.name} to {network} runs in a circle at {hop}")
        chain.append(hop)
    return chain


def _route(fleet: Fleet, node: str, to: Network, gateway: str, kind: RouteKind) -> ExpectedRoute:
    link = fleet.shared_network(node, gateway)
    if link is None:
        raise ValueError(f"{node} and its gateway {gateway} share no network")
    return ExpectedRoute(
        node, to.cidr, to.name, fleet.nodes[gateway].addresses[link.name], gateway, kind
    )


def _returns(
    fleet: Fleet, node: Node, target: Network, chain: list[str]
) -> Iterator[ExpectedRoute]:
    """Whoever answers ``node`` needs a way back to the network ``node`` sends from."""
    home = fleet.shared_network(node.name, chain[0])
    if home is None:
        raise ValueError(f"{node.name} and its gateway {chain[0]} share no network")
    for nearer, farther in pairwise(chain):
        if home.name not in fleet.nodes[farther].addresses:
            yield _route(fleet, farther, home, nearer, "return")
    last = chain[-1]
    back = fleet.nodes[last].addresses[target.name]
    for peer in fleet.nodes.values():
        on_target = target.name in peer.addresses and home.name not in peer.addresses
        if on_target and peer.name not in chain and peer.connection != "none":
            yield ExpectedRoute(peer.name, home.cidr, home.name, back, last, "return")


def _reach(fleet: Fleet, routes: list[ExpectedRoute]) -> list[ExpectedReach]:
    pairs: list[ExpectedReach] = []
    for node in fleet.nodes.values():
        if node.connection == "none":
            continue
        led_to = {r.network for r in routes if r.node == node.name}
        for peer in fleet.nodes.values():
            if peer.name == node.name:
                continue
            for network, address in peer.addresses.items():
                if network in node.addresses or network in node.via:
                    pairs.append(ExpectedReach(node.name, address, peer.name, network, True))
                elif not node.addresses:
                    continue  # where it is plugged in was not said
                elif not fleet.networks[network].control and network not in led_to:
                    pairs.append(ExpectedReach(node.name, address, peer.name, network, False))
    return pairs
