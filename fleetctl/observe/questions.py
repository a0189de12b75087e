"""What a node has to be asked to compare what must be true of it with what is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address

from fleetctl.model.expectations import (
    MATRIX_MEMBERS,
    Expectations,
    has_internet,
    sample,
)
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.questions import CodePlace, Depth, Questions
from fleetctl.model.topology import Fleet, Node

PYTHON = "python3"


def questions(
    fleet: Fleet, jobs: Sequence[Job], expectations: Expectations, node: Node, depth: Depth
) -> Questions:
    """What ``node`` is asked about all of ``jobs``."""
    reach = expectations.reach_of(node.name)
    echoes: dict[IPv4Address, int | None] = {
        r.to: fleet.nodes[r.peer].ssh_port for r in reach if r.expected
    }
    routes = expectations.routes_of(node.name)
    ways = [sample(fleet, r.network, node.name) for r in routes]
    ways += echoes
    ways += (to for r in routes if r.kind == "return" for to in _behind(fleet, node, r.network))
    if fleet.internet and has_internet(fleet, node):
        echoes[fleet.internet] = None
        ways.append(fleet.internet)
    mine = [(job, job.on(node.name)) for job in jobs]
    programs = (program for job, own in mine for program in _programs(job, own, depth))
    return Questions(
        fleet=fleet.name,
        node=node.name,
        depth=depth,
        echoes=echoes,
        silent=tuple(r.to for r in reach if not r.expected) if depth == "check" else (),
        ways=tuple(dict.fromkeys(ways)),
        forwards=node.name in expectations.forwarding,
        instances=tuple(instance for _, own in mine for instance in own),
        programs=tuple(dict.fromkeys(programs)),
        codes=tuple(code for job, own in mine if (code := _code(job, node.name, own))),
        versions=depth == "check",
        neighbours=tuple(end for job, own in mine for end in _neighbours(fleet, job, own)),
    )


def _programs(job: Job, instances: Sequence[Instance], depth: Depth) -> Iterator[str]:
    """Those that the job requires on a node with such instances of it; ``check`` compares Python,
    too."""
    if any(i.command is not None for i in instances):
        always = (PYTHON,) if depth == "check" else ()
        yield from (*always, *(required.program for required in job.requires))


def _code(job: Job, node: str, instances: Sequence[Instance]) -> CodePlace | None:
    """Where ``sync`` brings it, else where the first instance runs."""
    if job.sync and (folder := job.sync.workdirs.get(node)):
        return CodePlace(job.name, folder, synced=True)
    running = (i.workdir for i in instances if i.command is not None)
    folder = next((folder for folder in running if folder), None)
    return CodePlace(job.name, folder, synced=False) if folder else None


def _behind(fleet: Fleet, node: Node, network: str) -> list[IPv4Address]:
    """Addresses to which ``node`` answers over a return route; of a large network the first."""
    others = (n for n in fleet.nodes.values() if n.name != node.name)
    found = [n.addresses[network] for n in others if network in n.addresses]
    return found[:MATRIX_MEMBERS]


def _neighbours(
    fleet: Fleet, job: Job, instances: Sequence[Instance]
) -> Iterator[tuple[Instance, IPv4Address, int]]:
    for instance in instances:
        networks = fleet.nodes[instance.node].addresses
        for need in job.needs(instance):
            port = fleet.nodes[need.node].ssh_port
            listen = instance.endpoint(need)
            if not listen or need.node == instance.node or port is None:
                continue
            address = listen.address
            if any(address in fleet.networks[name].cidr for name in networks):
                yield instance, address, port
