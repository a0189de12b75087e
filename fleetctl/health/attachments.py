"""How each node stands on each network: for lamps, and for the lines of a drawn topology. Pure.

An echo that came back proves both ends: request and reply crossed the network. One that did not
accuses both, and other evidence says whom to believe:

- who is heard by, or hears, any third on the network is cleared; so where only a pair fails and
  each of the two is well with others, both places hold, and the failing row stands for itself;
- who is silent towards a neighbour that is cleared is wrong, and so is who is silent towards
  everybody: the two ends of a dead cable, or everyone on a dead switch;
- whose peer's own address is missing or down is not accused by that peer's silence;
- who has its address up and hears nothing from peers that cannot be asked is not known, and they,
  heard by nobody, are wrong.

Only neighbours bear witness. Who asks from behind a gateway may get the answer from the gateway
itself, whatever its cable does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from fleetctl.model.jobs import Job
from fleetctl.model.status import AddressStatus, FleetStatus, NodeStatus, ReachStatus
from fleetctl.model.topology import Fleet


class Lamp(Struct, frozen=True):
    """How a node stands where its job's traffic runs."""

    ok: bool | None
    """None: not known, or it has no place there."""
    wrong: int = 0
    """Rows of the node (addresses, routes, echoes) on these networks that are not as they must."""
    rtt_ms: float | None = None
    """To where what it starts after listens, the longest of several; None if it needs nobody."""


def attachments(fleet: Fleet, status: FleetStatus) -> dict[tuple[str, str], bool | None]:
    """Node and network to whether the node's place there works, for all that have one; None: not
    known."""
    return {
        (node, network): holds
        for network in fleet.networks
        for node, holds in _on(fleet, status, network).items()
    }


def link_rtts(fleet: Fleet, status: FleetStatus) -> dict[tuple[str, str], float]:
    """Node and network to the shortest round trip in ms between it and a neighbour there."""
    shortest: dict[tuple[str, str], float] = {}
    for network in fleet.networks:
        for asker, row in _echoes(fleet, status, network):
            if row.observed and row.rtt_ms is not None:
                for end in (asker, row.node):
                    known = shortest.get((end, network))
                    shortest[end, network] = row.rtt_ms if known is None else min(known, row.rtt_ms)
    return shortest


def data_networks(fleet: Fleet, job: Job | None) -> tuple[str, ...]:
    """The networks that the job's traffic uses, in the file's order.

    Those its instances listen on, and those its nodes cross on their way there. Where nothing
    listens on a network: all but the control networks, or all there are.
    """
    used: set[str] = set()
    for instance in job.instances if job else ():
        if instance.listen:
            name = instance.listen.network or fleet.network_of(instance.listen.address)
            used |= {name} if name else set()
    for target in tuple(used):
        for instance in job.instances if job else ():
            used |= set(_crossed(fleet, instance.node, target))
    if not used:
        used = {name for name, network in fleet.networks.items() if not network.control}
    return tuple(name for name in fleet.networks if name in used or not used)


def data_lamps(fleet: Fleet, job: Job | None, status: FleetStatus) -> dict[str, Lamp]:
    """How each node stands on the networks of ``job``.

    Wrong: one of its places there, or an echo that does not come back from a peer whose own place
    holds; a peer that fell off its network does not darken the lamps of the others, though the
    rows count in :attr:`Lamp.wrong`.
    """
    networks = data_networks(fleet, job)
    on = {name: _on(fleet, status, name) for name in networks}
    return {node: _lamp(fleet, job, status, node, networks, on) for node in fleet.nodes}


def _lamp(
    fleet: Fleet,
    job: Job | None,
    status: FleetStatus,
    node: str,
    networks: tuple[str, ...],
    on: Mapping[str, Mapping[str, bool | None]],
) -> Lamp:
    places = [on[name][node] for name in networks if node in on[name]]
    own = status.nodes.get(node)
    if own is None:
        return Lamp(False if False in places else None)
    echoes = [r for r in own.reachability if r.network in networks]
    unheard = [r for r in echoes if r.ok is False and on[r.network].get(r.node) is not False]
    led_to = [name for name in networks if name in fleet.nodes[node].via]
    unknown = [name for name in led_to if all(r.ok is None for r in echoes if r.network == name)]
    ok: bool | None = True
    if False in places or unheard:
        ok = False
    elif None in places or unknown or not (places or led_to):
        ok = None
    return Lamp(ok, _wrong(fleet, own, networks), _needed_rtt(job, own, node))


def _wrong(fleet: Fleet, own: NodeStatus, networks: tuple[str, ...]) -> int:
    cidrs = {str(fleet.networks[name].cidr) for name in networks}
    return (
        sum(r.ok is False for r in own.addresses if r.network in networks)
        + sum(r.ok is False for r in own.routes if r.to in cidrs)
        + sum(r.ok is False for r in own.reachability if r.network in networks)
    )


def _needed_rtt(job: Job | None, own: NodeStatus, node: str) -> float | None:
    wanted = {
        str(need.listen.address)
        for instance in (job.instances if job else ())
        if instance.node == node and job
        for need in job.needs(instance)
        if need.listen
    }
    measured = [r.rtt_ms for r in own.reachability if r.to in wanted and r.rtt_ms is not None]
    return max(measured, default=None)


def _crossed(fleet: Fleet, node: str, target: str) -> Iterator[str]:
    """The networks between ``node`` and ``target``, hop by hop."""
    here = node
    while target not in fleet.nodes[here].addresses and (hop := fleet.nodes[here].via.get(target)):
        if link := fleet.shared_network(here, hop):
            yield link.name
        here = hop


def _on(fleet: Fleet, status: FleetStatus, network: str) -> dict[str, bool | None]:
    members = [name for name, node in fleet.nodes.items() if network in node.addresses]
    own = {name: _own_row(status, name, network) for name in members}
    cleared: set[str] = set()
    silent: dict[str, set[str]] = {}
    for asker, row in _echoes(fleet, status, network):
        if row.observed:
            cleared |= {asker, row.node}
        else:
            silent.setdefault(asker, set()).add(row.node)
            silent.setdefault(row.node, set()).add(asker)
    return {name: _judged(name, own, cleared, silent.get(name, set())) for name in members}


def _judged(
    name: str, own: Mapping[str, bool | None], cleared: set[str], silent: set[str]
) -> bool | None:
    if own[name] is False:
        return False
    if name in cleared:
        return True
    accusers = {peer for peer in silent if own[peer] is not False}
    if not accusers:
        return own[name]
    if own[name] and all(own[peer] is None and peer not in cleared for peer in accusers):
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
    """What neighbours on ``network`` measured of each other, with who measured it."""
    for name, node in status.nodes.items():
        if name in fleet.nodes and network in fleet.nodes[name].addresses:
            for row in node.reachability:
                if row.network == network and row.observed is not None:
                    yield name, row
