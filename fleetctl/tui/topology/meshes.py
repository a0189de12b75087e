"""Cables between the same nodes, drawn as one network: a mesh would be wires over wires. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from itertools import combinations

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.model.topology import Fleet, Network
from fleetctl.quantities import count

LEAST = 3
"""So many nodes of which each has a cable to each other are a mesh."""


class Meshed(Struct, frozen=True):
    """A fleet as it is drawn."""

    fleet: Fleet
    """With a network for each mesh in place of its cables."""
    cables: Mapping[str, tuple[str, ...]] = {}
    """By the name of that network: the cables, as nodes.yaml names them."""

    def label(self, mesh: str, kind: str) -> str:
        """Name of a mesh, as it is drawn."""
        return f"mesh of {count(len(self.cables[mesh]), 'cable')} · {kind}"

    def at(self, node: str, mesh: str, fleet: Fleet) -> tuple[str, ...]:
        """The cables of the mesh that ``node`` of the original ``fleet`` has."""
        mine = fleet.nodes[node].networks if node in fleet.nodes else ()
        return tuple(cable for cable in self.cables.get(mesh, ()) if cable in mine)


def meshed(fleet: Fleet) -> Meshed:
    """Find the meshes of ``fleet``; the largest first."""
    cables: dict[str, tuple[str, ...]] = {}
    left = dict(_cables(fleet))
    while nodes := _clique(left):
        mine = tuple(name for name, ends in left.items() if ends <= nodes)
        cables[_unused(fleet, f"mesh{len(cables) + 1}")] = mine
        left = {name: ends for name, ends in left.items() if name not in mine}
    return Meshed(_replaced(fleet, cables), cables) if cables else Meshed(fleet)


def _cables(fleet: Fleet) -> Iterator[tuple[str, frozenset[str]]]:
    """Networks of two nodes, and which these are."""
    for name, network in fleet.networks.items():
        ends = frozenset(n for n, node in fleet.nodes.items() if name in node.networks)
        if len(ends) == 2 and not network.control:
            yield name, ends


def _clique(cables: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Nodes of which each has a cable to each other, as many as are found; empty: too few."""
    beside: dict[str, set[str]] = {}
    for ends in cables.values():
        for one, other in combinations(sorted(ends), 2):
            beside.setdefault(one, set()).add(other)
            beside.setdefault(other, set()).add(one)
    best: frozenset[str] = frozenset()
    for first in beside:
        found = {first}
        for node in sorted(beside[first], key=lambda n: (-len(beside[n]), n)):
            if found <= beside[node]:
                found.add(node)
        if len(found) > len(best):
            best = frozenset(found)
    return best if len(best) >= LEAST else frozenset()


def _unused(fleet: Fleet, name: str) -> str:
    return name if name not in fleet.networks else _unused(fleet, name + "+")


def _replaced(fleet: Fleet, cables: Mapping[str, tuple[str, ...]]) -> Fleet:
    mesh_of = {cable: mesh for mesh, mine in cables.items() for cable in mine}
    networks: dict[str, Network] = {}
    for name, network in fleet.networks.items():
        mesh = mesh_of.get(name, name)
        if mesh not in networks:
            networks[mesh] = network if mesh == name else replace(network, name=mesh)
    nodes = {}
    for name, node in fleet.nodes.items():
        addresses: dict[str, IPv4Address] = {}
        for network_name, address in node.addresses.items():
            addresses.setdefault(mesh_of.get(network_name, network_name), address)
        leased = frozenset(mesh_of.get(n, n) for n in node.leased)
        nodes[name] = replace(node, addresses=addresses, leased=leased)
    return replace(fleet, networks=networks, nodes=nodes)
