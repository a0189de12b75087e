"""Whether each node's attachment to each network works, judged by pings between neighbours. Pure.

An answered ping proves that both ends work: request and reply crossed the network. An unanswered
one may be the fault of either end, so other evidence decides:

- A node works if any ping from it or to it on the network was answered. Where only one pair fails
  and both its nodes work with others, both are attached, and only the row of that ping is wrong.
- A node fails if it has unanswered pings only: the two ends of a dead cable, all on a dead switch.
- A ping does not count against a node if the peer's own address is missing or down.
- A node with its address up is unknown if all its unanswered pings are with nodes that cannot be
  asked; those nodes fail.

Only pings between neighbours count: those from behind a gateway may be answered by the gateway
itself, even when its cable is out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set

from msgspec import Struct

from fleetctl.health.kinds.reachability import PACKET_LOSS, RTT_HIGH
from fleetctl.model.endpoints import listened_on
from fleetctl.model.jobs import Job
from fleetctl.model.node_status import AddressStatus, NodeStatus, ReachStatus
from fleetctl.model.status import FleetStatus
from fleetctl.model.topology import Fleet

_POOR = frozenset(kind.code for kind in (PACKET_LOSS, RTT_HIGH))


class DataState(Struct, frozen=True):
    """Whether the networks that the job's traffic uses work for a node."""

    ok: bool | None
    """None: not known, or the node is on none of them."""
    wrong: int = 0
    """The node's failed rows (addresses, routes, pings) on these networks."""
    rtt_ms: float | None = None
    """The longest round trip to an instance that it depends on; None if there is none."""
    expect_rtt_ms: float | None = None
    """What nodes.yaml expects of it: the sum over the networks on the way; None if one has none."""
    poor: bool = False
    """The node's link to one of them loses packets, or delays them."""


def attachments(fleet: Fleet, status: FleetStatus) -> dict[tuple[str, str], bool | None]:
    """By node and network: whether the attachment works; None: not known."""
    return {
        (node, network): works
        for network in fleet.networks
        for node, works in _attached(fleet, status, network).items()
    }


def link_rtts(fleet: Fleet, status: FleetStatus) -> dict[tuple[str, str], float]:
    """By node and network: the shortest round trip in ms to or from a neighbour there."""
    shortest: dict[tuple[str, str], float] = {}
    for network in fleet.networks:
        for asker, row in _echoes(fleet, status, network):
            if row.observed and row.rtt_ms is not None:
                for end in (asker, row.node):
                    known = shortest.get((end, network))
                    shortest[end, network] = row.rtt_ms if known is None else min(known, row.rtt_ms)
    return shortest


def data_networks(fleet: Fleet, job: Job | None) -> tuple[str, ...]:
    """The networks that the job's traffic uses, in the order of nodes.yaml.

    Those its instances listen on, and those that lie between its nodes and them. If no instance
    listens on a network: all but the control networks, or all if there are no others.
    """
    used: set[str] = set()
    for instance in job.instances if job else ():
        used |= set(filter(None, (listened_on(fleet, listen) for listen in instance.listens)))
        used |= set(filter(None, map(fleet.network_of, instance.peers.values())))
    for target in tuple(used):
        for instance in job.instances if job else ():
            used |= set(_crossed(fleet, instance.node, target))
    if not used:
        used = {name for name, network in fleet.networks.items() if not network.control}
    return tuple(name for name in fleet.networks if name in used or not used)


def data_states(fleet: Fleet, job: Job | None, status: FleetStatus) -> dict[str, DataState]:
    """Whether the networks of ``job`` work for each node.

    They do not if one of its attachments fails, or if it gets no answer from a peer with a working
    attachment. A peer that is off its network makes only itself wrong, though the other nodes'
    pings to it count in :attr:`DataState.wrong`.
    """
    on = {name: _attached(fleet, status, name) for name in data_networks(fleet, job)}
    cidrs = frozenset(str(fleet.networks[name].cidr) for name in on)
    poor = {p.node for p in status.problems if p.code in _POOR}
    return {
        node: _data_state(fleet, job, status.nodes.get(node), node, on, cidrs, node in poor)
        for node in fleet.nodes
    }


def _data_state(
    fleet: Fleet,
    job: Job | None,
    own: NodeStatus | None,
    node: str,
    on: Mapping[str, Mapping[str, bool | None]],
    cidrs: Set[str],
    poor: bool,
) -> DataState:
    """Of one node.

    :param on: by network of the job's traffic and node: whether the attachment works.
    :param cidrs: of these networks.
    """
    networks = on.keys()
    attached = [works[node] for works in on.values() if node in works]
    if own is None:
        return DataState(False if False in attached else None, poor=poor)
    pings = [r for r in own.reachability if r.network in networks]
    failed = [r for r in pings if r.ok is False and on[r.network].get(r.node) is not False]
    routed = [name for name in networks if name in fleet.nodes[node].via]
    unknown = [name for name in routed if all(r.ok is None for r in pings if r.network == name)]
    ok: bool | None = True
    if False in attached or failed:
        ok = False
    elif None in attached or unknown or not (attached or routed):
        ok = None
    wrong, longest = _wrong(own, networks, cidrs), _needed(job, own, node)
    if longest is None:
        return DataState(ok, wrong, poor=poor)
    expected_ms = _expected_ms(fleet, node, longest.network)
    return DataState(ok, wrong, longest.rtt_ms, expected_ms, poor)


def _wrong(own: NodeStatus, networks: Set[str], cidrs: Set[str]) -> int:
    return (
        sum(r.ok is False for r in own.addresses if r.network in networks)
        + sum(r.ok is False for r in own.routes if r.to in cidrs)
        + sum(r.ok is False for r in own.reachability if r.network in networks)
    )


def _expected_ms(fleet: Fleet, node: str, target: str) -> float | None:
    crossed = dict.fromkeys([*_crossed(fleet, node, target), target])
    expected = [fleet.networks[name].expect_rtt_ms for name in crossed]
    known = [ms for ms in expected if ms is not None]
    return sum(known) if len(known) == len(expected) else None


def _needed(job: Job | None, own: NodeStatus, node: str) -> ReachStatus | None:
    """The row with the longest round trip of those to instances that ``node`` depends on."""
    if job is None:
        return None
    wanted = {str(address) for instance in job.on(node) for address in job.used_by(instance)}
    measured = [r for r in own.reachability if r.to in wanted and r.rtt_ms is not None]
    return max(measured, key=lambda row: row.rtt_ms or 0.0, default=None)


def _crossed(fleet: Fleet, node: str, target: str) -> Iterator[str]:
    """The networks between ``node`` and ``target``, hop by hop."""
    here = node
    while target not in fleet.nodes[here].networks and (hop := fleet.nodes[here].via.get(target)):
        if link := fleet.shared_network(here, hop):
            yield link.name
        here = hop


def _attached(fleet: Fleet, status: FleetStatus, network: str) -> dict[str, bool | None]:
    members = [name for name, node in fleet.nodes.items() if network in node.networks]
    own = {name: _own_row(status, name, network) for name in members}
    proven: set[str] = set()
    failed: dict[str, set[str]] = {}
    for asker, row in _echoes(fleet, status, network):
        if row.observed:
            proven |= {asker, row.node}
        else:
            failed.setdefault(asker, set()).add(row.node)
            failed.setdefault(row.node, set()).add(asker)
    return {name: _works(name, own, proven, failed.get(name, set())) for name in members}


def _works(
    name: str, own: Mapping[str, bool | None], proven: set[str], failed: set[str]
) -> bool | None:
    """Whether the attachment of ``name`` works.

    :param own: what each node says of its own address.
    :param proven: the nodes with an answered ping.
    :param failed: the peers that an unanswered ping went to or came from.
    """
    if own[name] is False:
        return False
    if name in proven:
        return True
    peers = {peer for peer in failed if own[peer] is not False}
    if not peers:
        return own[name]
    if own[name] and all(own[peer] is None and peer not in proven for peer in peers):
        return None
    return False


def _own_row(status: FleetStatus, name: str, network: str) -> bool | None:
    """What the node itself says of its address there."""
    node = status.nodes.get(name)
    rows: tuple[AddressStatus, ...] = node.addresses if node else ()
    for row in rows:
        if row.network == network:
            return False if row.up is False else row.ok
    return None


def _echoes(fleet: Fleet, status: FleetStatus, network: str) -> Iterator[tuple[str, ReachStatus]]:
    """The pings between neighbours on ``network``: the node that sent them, and the result."""
    for name, node in status.nodes.items():
        if name in fleet.nodes and network in fleet.nodes[name].networks:
            for row in node.reachability:
                if row.network == network and row.observed is not None:
                    yield name, row
