"""Problems that only the facts of several nodes together show: MTUs that differ, cable rings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from fleetctl.health.kinds.reachability import MTU_MISMATCH, THUNDERBOLT_LOOP
from fleetctl.model.facts import NodeFacts
from fleetctl.model.status import Problem
from fleetctl.model.topology import Fleet


def problems_across_nodes(fleet: Fleet, facts: Mapping[str, NodeFacts]) -> Iterator[Problem]:
    """Warnings about the networks as a whole."""
    for network in fleet.networks:
        yield from _sizes(fleet, facts, network)
    yield from _ring(facts)


def _sizes(fleet: Fleet, facts: Mapping[str, NodeFacts], network: str) -> Iterator[Problem]:
    """MTUs that differ on one network: pings pass, and large transfers hang."""
    sizes = {
        name: own.mtu
        for name, known in facts.items()
        if (address := fleet.nodes[name].addresses.get(network)) is not None
        and (own := known.network.interface_of(address)) is not None
        and own.mtu is not None
    }
    if len(set(sizes.values())) < 2:
        return
    usual = Counter(sizes.values()).most_common(1)[0][0]
    odd = [name for name, size in sizes.items() if size != usual]
    yield MTU_MISMATCH.problem(
        odd[0],
        size=sizes[odd[0]],
        network=network,
        usual=usual,
        affects=odd[1:],
        evidence=", ".join(f"{name}: mtu {size}" for name, size in sizes.items()),
    )


def _ring(facts: Mapping[str, NodeFacts]) -> Iterator[Problem]:
    """Thunderbolt bridges have no loop protection: in a ring of Macs broadcasts circulate for
    ever."""
    owner = {
        port.domain: name
        for name, known in facts.items()
        for port in known.thunderbolt or ()
        if port.domain
    }
    # a set: two cables between the same two Macs are no ring
    cables = {
        frozenset((name, owner[port.peer]))
        for name, known in facts.items()
        for port in known.thunderbolt or ()
        if port.peer in owner
        and owner[port.peer] != name
        and _bridged(known)
        and _bridged(facts[owner[port.peer]])
    }
    # a Mac with one cable is in no ring: drop such cables until only rings are left
    while loose := {c for c in cables for end in c if sum(end in other for other in cables) == 1}:
        cables -= loose
    ring = [name for name in facts if any(name in cable for cable in cables)]
    if ring:
        yield THUNDERBOLT_LOOP.problem(
            ring[0],
            ring=", ".join(ring),
            affects=ring[1:],
            evidence="system_profiler SPThunderboltDataType: "
            + ", ".join(sorted("-".join(sorted(cable)) for cable in cables)),
        )


def _bridged(facts: NodeFacts) -> bool:
    """Whether the Mac has a Thunderbolt bridge that is up; without it, a ring is no loop."""
    return any(
        i.name.startswith("bridge") and i.up and not any(m.startswith("vm") for m in i.members)
        for i in facts.network.interfaces or ()
    )
