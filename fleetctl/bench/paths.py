"""What is measured: the links first, then the paths over several of them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from ipaddress import IPv4Address

from msgspec import Struct

from fleetctl.health.network.causes import Way
from fleetctl.model.bench import BenchPath, Hop, LeftOut
from fleetctl.model.expectations import Expectations, ExpectedReach
from fleetctl.model.jobs import Job
from fleetctl.model.topology import Fleet


class Chosen(Struct, frozen=True):
    """The paths to measure, links first, and those that cannot be measured."""

    paths: tuple[BenchPath, ...]
    left_out: tuple[LeftOut, ...]


def choose(
    fleet: Fleet,
    expectations: Expectations,
    job: Job | None,
    nodes: Collection[str],
    *,
    everything: bool = False,
) -> Chosen:
    """The paths that ``job`` uses and that begin or end at one of ``nodes``, with each of their
    links; all paths of the data networks if the job uses none.

    Paths over the same links are one.

    :param everything: all paths of the data networks, whatever the job uses.
    """
    wanted = [] if everything else list(_of_job(fleet, job))
    wanted = wanted or list(_all(fleet, expectations))
    found: dict[frozenset[tuple[str, str, str]], BenchPath] = {}
    left_out: dict[tuple[str, str, str | None], LeftOut] = {}
    for reach in wanted:
        if not {reach.node, reach.peer} & set(nodes):
            continue
        way = Way(fleet, expectations, reach)
        if why := _obstacle(fleet, way, reach):
            known = (reach.node, reach.peer, reach.network)
            left_out.setdefault(known, LeftOut(*known, why))
            continue
        path = _path(fleet, way, reach)
        found.setdefault(_wires(path), path)
        for link in _links(fleet, path):
            found.setdefault(_wires(link), link)
    ordered = sorted(found.values(), key=lambda path: len(path.hops))
    return Chosen(tuple(ordered), tuple(left_out.values()))


def _of_job(fleet: Fleet, job: Job | None) -> Iterator[ExpectedReach]:
    """From each instance to the addresses that it connects to on other nodes."""
    for instance in job.instances if job else ():
        for to, peer in job.used_by(instance).items() if job else ():
            network = fleet.network_of(to)
            if network is not None and peer != instance.node:
                yield ExpectedReach(instance.node, to, peer, network, expected=True)


def _all(fleet: Fleet, expectations: Expectations) -> Iterator[ExpectedReach]:
    """From later nodes of nodes.yaml to earlier ones, as workers connect to a server."""
    data = {name for name, network in fleet.networks.items() if not network.control}
    for node in reversed(list(fleet.nodes)):
        for reach in expectations.reach_of(node):
            if reach.expected and (reach.network in data or not data):
                yield reach


def _obstacle(fleet: Fleet, way: Way, reach: ExpectedReach) -> str | None:
    """Why the path cannot be measured."""
    for end in (reach.node, reach.peer):
        if fleet.nodes[end].connection == "none":
            return f"{end} cannot be logged into (connection: none)"
    if not way.hops or way.hops[-1][1] != reach.peer:
        return f"nodes.yaml does not say how {reach.node} reaches {reach.network}"
    return None


def _path(fleet: Fleet, way: Way, reach: ExpectedReach) -> BenchPath:
    source = fleet.nodes[reach.node].addresses.get(way.hops[0][2])
    hops = tuple(Hop(*hop) for hop in way.hops)
    network = reach.network if len(hops) > 1 else hops[0].network
    return BenchPath(reach.node, reach.peer, network, _text(source), str(reach.to), hops)


def _links(fleet: Fleet, path: BenchPath) -> Iterator[BenchPath]:
    """The hops of a longer path, each by itself."""
    for hop in path.hops if not path.is_link else ():
        addresses = [fleet.nodes[n].addresses.get(hop.network) for n in (hop.node, hop.peer)]
        inside = all(fleet.nodes[n].connection != "none" for n in (hop.node, hop.peer))
        if inside and addresses[1] is not None:
            yield BenchPath(
                hop.node, hop.peer, hop.network, _text(addresses[0]), str(addresses[1]), (hop,)
            )


def _wires(path: BenchPath) -> frozenset[tuple[str, str, str]]:
    return frozenset(
        (min(hop.node, hop.peer), max(hop.node, hop.peer), hop.network) for hop in path.hops
    )


def _text(address: IPv4Address | None) -> str | None:
    return None if address is None else str(address)
