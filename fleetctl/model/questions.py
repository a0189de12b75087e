"""What a node has to be asked, so that what must be true of it can be held against its answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address
from typing import Literal

from msgspec import Struct

from fleetctl.model.expectations import Expectations, has_internet
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.topology import Fleet, Node

Depth = Literal["status", "check"]
"""``status`` asks what one quick round trip can answer; ``check`` also waits: three echoes instead
of one, the addresses that must stay silent, and what takes a Mac a second to say."""

SSH_PORT = 22


class Questions(Struct, frozen=True):
    """For one node."""

    fleet: str
    node: str
    depth: Depth = "status"
    echoes: Mapping[IPv4Address, int | None] = {}
    """Addresses that must answer, each with the SSH port that may answer instead, if it has one."""
    silent: tuple[IPv4Address, ...] = ()
    """Addresses that must not answer."""
    ways: tuple[IPv4Address, ...] = ()
    """Addresses to which the way that a packet would take is asked."""
    forwards: bool = False
    """It must forward packets, so what the next boot brings is asked as well."""
    instances: tuple[Instance, ...] = ()
    """That run here."""
    neighbours: tuple[tuple[Instance, IPv4Address, int], ...] = ()
    """Instances here that connect to a neighbour: its address, and the SSH port there."""


def questions(
    fleet: Fleet, job: Job | None, expectations: Expectations, node: Node, depth: Depth
) -> Questions:
    """What ``node`` is asked."""
    reach = expectations.reach_of(node.name)
    echoes: dict[IPv4Address, int | None] = {
        r.to: ssh_port(fleet.nodes[r.peer]) for r in reach if r.expected
    }
    ways = [sample(fleet, r.network, node.name) for r in expectations.routes_of(node.name)]
    if fleet.internet and has_internet(fleet, node):
        echoes[fleet.internet] = None
        ways.append(fleet.internet)
    mine = tuple(i for i in job.instances if i.node == node.name) if job else ()
    return Questions(
        fleet=fleet.name,
        node=node.name,
        depth=depth,
        echoes=echoes,
        silent=tuple(r.to for r in reach if not r.expected) if depth == "check" else (),
        ways=tuple(dict.fromkeys(ways)),
        forwards=node.name in expectations.forwarding,
        instances=mine,
        neighbours=tuple(_neighbours(fleet, job, mine)) if job else (),
    )


def _neighbours(
    fleet: Fleet, job: Job, instances: Sequence[Instance]
) -> Iterator[tuple[Instance, IPv4Address, int]]:
    for instance in instances:
        networks = fleet.nodes[instance.node].addresses
        for need in job.needs(instance):
            port = ssh_port(fleet.nodes[need.node])
            if not need.listen or need.node == instance.node or port is None:
                continue
            address = need.listen.address
            if any(address in fleet.networks[name].cidr for name in networks):
                yield instance, address, port


def sample(fleet: Fleet, network: str, node: str) -> IPv4Address:
    """The address that stands for ``network`` when ``node`` is asked for its way there."""
    peers = (
        peer.addresses[network]
        for peer in fleet.nodes.values()
        if network in peer.addresses and peer.name != node
    )
    return next(peers, fleet.networks[network].cidr[1])


def ssh_port(node: Node) -> int | None:
    """Where the node's SSH server listens; None for a node that is not logged into."""
    return (node.ssh.port or SSH_PORT) if node.connection == "ssh" else None
