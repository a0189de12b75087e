"""Over which networks a job's connections go, and over which they should."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from fleetctl.health.kinds.instances import DATA_OVER_CONTROL
from fleetctl.health.kinds.network import (
    ADDRESS_MISSING,
    INTERFACE_DOWN,
    LEASE_MISSING,
    ROUTE_WRONG_INTERFACE,
)
from fleetctl.health.sockets import own_pids
from fleetctl.model.endpoints import listened_on
from fleetctl.model.facts import NodeFacts, TcpConnection
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.status import ConnectionStatus, Problem, ServiceStatus
from fleetctl.model.topology import Fleet
from fleetctl.quantities import listed

LEADS_ASTRAY = frozenset(
    kind.code for kind in (ADDRESS_MISSING, INTERFACE_DOWN, LEASE_MISSING, ROUTE_WRONG_INTERFACE)
)
"""Problems of a node for which its packets leave by another network than their target's."""


def with_own_connections(
    fleet: Fleet, job: Job, instance: Instance, status: ServiceStatus, told: NodeFacts | None
) -> ServiceStatus:
    """Add an instance's connections to what it needs, and the network that they really use.

    :param told: the facts of its node.
    """
    if told is None or told.connections is None:
        return status
    own = own_pids(instance, told)
    ports = {listen.port for need in job.needs(instance) for listen in need.bindings}
    mine = tuple(
        _judged(fleet, job, instance, c)
        for c in told.connections
        if c.remote_port in ports and own.intersection(c.pids)
    )
    seen = mine or not own & told.foreign  # those of other users cannot be told apart
    return replace(status, connections=mine if seen else None)


def _judged(fleet: Fleet, job: Job, instance: Instance, c: TcpConnection) -> ConnectionStatus:
    network = fleet.network_of(c.local)
    shown = ConnectionStatus(f"{c.remote}:{c.remote_port}", str(c.local), network)
    peer = _peer(fleet, job, instance, c)
    if peer is None:
        return replace(shown, reason=f"{c.remote} is no address of what {instance.name} needs")
    if peer == instance.node:
        return replace(shown, ok=True)
    if network is None:
        return replace(shown, reason=f"{c.local} is on no network of nodes.yaml")
    better = _better(fleet, job, instance, peer)
    if not fleet.networks[network].control or better is None:
        return replace(shown, ok=True)
    address = fleet.nodes[peer].addresses.get(better, better)
    return replace(
        shown,
        ok=False,
        expected=f"{address}:{c.remote_port}",
        reason=f"{network} is a control network, and {better} leads there",
    )


def _better(fleet: Fleet, job: Job, instance: Instance, peer: str) -> str | None:
    """A network other than a control network by which ``instance`` reaches ``peer``: that of what
    listens there for it, or another one."""
    node = instance.node
    for need in job.needs(instance):
        listen = instance.endpoint(need) if need.node == peer else None
        network = listened_on(fleet, listen) if listen else None
        data = network is not None and not fleet.networks[network].control
        if data and network in fleet.nodes[peer].addresses:
            return network
    shared = fleet.shared_network(node, peer)
    if shared is not None and not shared.control:
        return shared.name
    ways = fleet.nodes[node].via
    there = fleet.nodes[peer].networks
    return next((n for n in ways if n in there and not fleet.networks[n].control), None)


def _peer(fleet: Fleet, job: Job, instance: Instance, c: TcpConnection) -> str | None:
    """The node at the other end, one of those that ``instance`` needs."""
    for need in job.needs(instance):
        addresses = fleet.nodes[need.node].addresses.values()
        for listen in need.bindings:
            if listen.port == c.remote_port and c.remote in (*addresses, listen.address):
                return need.node
    return None


def with_traffic(
    job: Job, statuses: Mapping[str, ServiceStatus], known: Sequence[Problem]
) -> list[Problem]:
    """Add a problem for each address that is connected to over a control network.

    A connection to the right address over the wrong network follows from a problem of its node,
    which then affects the instance.

    :param known: problems of the nodes.
    """
    astray = {p.node for p in known if p.code in LEADS_ASTRAY}
    following: dict[str, list[str]] = {}
    used: dict[str, list[tuple[Instance, ConnectionStatus]]] = {}
    for instance in job.instances:
        status = statuses.get(instance.name)
        for c in (status.connections if status else None) or ():
            if c.ok is not False:
                continue
            if c.to == c.expected and instance.node in astray:
                following.setdefault(instance.node, []).append(instance.name)
            else:
                used.setdefault(c.to, []).append((instance, c))
    explained = (
        replace(p, affects=tuple(dict.fromkeys((*p.affects, *following.get(p.node or "", ())))))
        if p.code in LEADS_ASTRAY
        else p
        for p in known
    )
    return [*explained, *(_over_control(to, found) for to, found in used.items())]


def _over_control(to: str, found: Sequence[tuple[Instance, ConnectionStatus]]) -> Problem:
    names = tuple(dict.fromkeys(instance.name for instance, _ in found))
    nodes = {instance.node for instance, _ in found}
    return DATA_OVER_CONTROL.problem(
        nodes.pop() if len(nodes) == 1 else None,
        instances=listed(names),
        verb="sends" if len(names) == 1 else "send",
        network=found[0][1].network,
        to=to,
        expected=" or ".join(dict.fromkeys(str(c.expected) for _, c in found)),
        affects=names,
        evidence="; ".join(f"{i.name}: {c.local} to {c.to}" for i, c in found[:4]),
    )
