"""Reads ``peers`` of services: the ways by which their instances reach each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from itertools import combinations_with_replacement, islice

from fleetctl.config.report import Report, TreePath, choices, nearest
from fleetctl.config.shape.entry import given
from fleetctl.config.shape.jobs import JobEntry
from fleetctl.config.shape.services import ServiceEntry
from fleetctl.model.expectations import MATRIX_MEMBERS
from fleetctl.model.mesh import connected, network_between
from fleetctl.model.topology import Fleet, Node


def with_peers(fleet: Fleet, entries: Mapping[str, JobEntry], report: Report) -> Fleet:
    """``fleet`` with the ``via`` that the ``peers`` of all jobs need.

    :param fleet: the networks and nodes; its ``jobs`` are not used.
    """
    for job, entry in entries.items():
        for name, service in entry.services.items():
            path: TreePath = ("jobs", job, "services", name, "peers")
            peers = given(service.peers, False)
            if isinstance(peers, str) and peers not in fleet.networks:
                what = f"unknown network {peers!r} in peers{nearest(peers, fleet.networks)}"
                report.mistake(path, what)
            elif peers:
                nodes = _nodes(fleet, service, report)
                fleet = connected(fleet, nodes, over(service))
                _judge(fleet, name, nodes, over(service), path, report)
    return fleet


def over(service: ServiceEntry) -> str | None:
    """The network that its ``peers`` names."""
    peers = given(service.peers, False)
    return peers if isinstance(peers, str) else None


def peers_of(
    fleet: Fleet, service: ServiceEntry, nodes: tuple[Node, ...], node: Node
) -> dict[str, IPv4Address]:
    """By node: where the instance on ``node`` reaches other instances of ``service``, the ones that
    follow it. Of many there are as many as of a network all members are asked."""
    if not given(service.peers, False):
        return {}
    return dict(islice(_following(fleet, over(service), nodes, node), MATRIX_MEMBERS))


def _following(
    fleet: Fleet, meant: str | None, nodes: tuple[Node, ...], node: Node
) -> Iterator[tuple[str, IPv4Address]]:
    place = nodes.index(node)
    for other in (*nodes[place + 1 :], *nodes[:place]):
        if other.connection != "none" and (network := network_between(fleet, node, other, meant)):
            yield other.name, other.addresses[network]


def _nodes(fleet: Fleet, service: ServiceEntry, report: Report) -> list[str]:
    """Those of which nodes.yaml says, rightly, on which networks they are."""
    on = [service.on] if isinstance(service.on, str) else service.on
    return [
        name
        for name in dict.fromkeys(on)
        if name in fleet.nodes and fleet.nodes[name].networks and not report.wrong("nodes", name)
    ]


def _judge(
    fleet: Fleet, service: str, names: list[str], meant: str | None, path: TreePath, report: Report
) -> None:
    """Report instances that have no way to each other, and warn of control networks."""
    alike: dict[object, list[str]] = {}
    for name in names:
        node = fleet.nodes[name]
        key = (node.networks, tuple(node.addresses), tuple(node.via.items()))
        alike.setdefault(key, []).append(name)
    apart: set[str] = set()
    controlled: dict[str, set[str]] = {}
    for some, others in combinations_with_replacement(alike.values(), 2):
        a, b = some[0], others[-1]
        if a == b:
            continue
        network = network_between(fleet, fleet.nodes[a], fleet.nodes[b], meant)
        if network is None and (meant or fleet.shared_network(a, b) is None):
            apart.update(some, others)
        elif network and fleet.networks[network].control and network != meant:
            controlled.setdefault(network, set()).update(some, others)
    over_meant = f" over network {meant!r}" if meant else ""
    on = choices(name for name in names if name in apart)
    if apart:
        report.mistake(
            path,
            f"not all instances of service {service!r} have a way to each other{over_meant}, of "
            f"those on {on}: no network that they share, and no gateways, lead from one to the "
            "other",
        )
    for network, nodes in controlled.items():
        on = choices(name for name in names if name in nodes)
        if not all(one.control for one in fleet.networks.values()):
            report.warning(
                path,
                f"instances of service {service!r} reach each other over the control network "
                f"{network!r}, of those on {on}: no other network, and no gateways, lead from one "
                "to the other",
            )
