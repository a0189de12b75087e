"""What is different at an instance's node from the nodes of the others of its service. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address

from fleetctl.health.silence import stopped_clause, stopped_processes
from fleetctl.medians import median
from fleetctl.model.facts import NodeFacts
from fleetctl.model.jobs import Instance
from fleetctl.model.node_status import SystemStatus
from fleetctl.model.status import Problem
from fleetctl.quantities import rtt, size

SLOW = 2.0
"""A figure is different if it is so many times as large as with any other."""
HOT_C = 80.0
FULL_PERCENT = 95
BUSY_PAGES_PER_S = 50.0
"""So many pages swapped in and out a second are felt."""
OUT_SHARE = 0.25
"""So much of the memory's size is a lot to be swapped out."""
LOST_SHARE = 0.02
LOST = 3
"""Echoes lost count from this share, and this number, on."""
FAR_TIMES, FAR_MS = 3.0, 2.0
"""A round trip counts if it is so many times as long as that of others to the same address, and so
much longer."""


def differences(
    instance: Instance, own: NodeFacts, others: Sequence[NodeFacts], problems: Sequence[Problem]
) -> Iterator[str]:
    """What is known to be unlike the other instances and their nodes, as clauses."""
    if stopped := stopped_processes(instance, own):
        yield stopped_clause(stopped)
    system = own.system or SystemStatus()
    peers = [facts.system for facts in others if facts.system]
    if own.reliability.undervoltage:
        yield "its supply voltage is too low"
    elif system.throttled and not all(peer.throttled for peer in peers):
        yield "it is slowed down by heat or voltage"
    if (heat := system.temperature_c) is not None and heat >= HOT_C:
        yield f"its processor has {heat:.0f} °C"
    load, loads = _load(system), [v for peer in peers if (v := _load(peer)) is not None]
    if load is not None and load > 1 and loads and load > SLOW * max(loads):
        yield f"its load is {system.load1:.1f} on {system.cpus} processors"
    memory, shares = system.memory_percent, [peer.memory_percent or 0 for peer in peers]
    if memory is not None and memory >= FULL_PERCENT and max(shares, default=0) < FULL_PERCENT:
        yield f"{memory}% of its memory is used"
    yield from _swap(own, others)
    yield from _links(own, others)
    node = instance.node
    codes = {p.code for p in problems if p.severity == "warning" and node in (p.node, *p.affects)}
    if codes:
        yield f"see also {', '.join(sorted(codes))}"


def _load(system: SystemStatus) -> float | None:
    """Per processor."""
    return None if system.load1 is None or not system.cpus else system.load1 / system.cpus


def _swap(own: NodeFacts, others: Sequence[NodeFacts]) -> Iterator[str]:
    if own.swap is None:
        return
    theirs = [facts.swap for facts in others if facts.swap]
    pages = own.swap.pages_per_s
    most = max((swap.pages_per_s or 0.0 for swap in theirs), default=0.0)
    if pages is not None and pages >= BUSY_PAGES_PER_S and pages > SLOW * most:
        yield f"it swaps {pages:.0f} pages/s"
        return
    out, total = own.swap.used_bytes, own.system.memory_total_bytes if own.system else None
    largest = max((swap.used_bytes for swap in theirs), default=0)
    if total and out >= OUT_SHARE * total and out > SLOW * largest:
        yield f"{size(out)} of its memory is swapped out"


def _links(own: NodeFacts, others: Sequence[NodeFacts]) -> Iterator[str]:
    """Loss and delay by the echoes that all send, also where they are not bad enough for a problem
    of a link."""
    lost, sent = _losses(own)
    worst = max((lost / sent for lost, sent in map(_losses, others) if sent), default=0.0)
    if lost >= LOST and lost >= LOST_SHARE * sent and lost / sent > SLOW * worst:
        yield f"{100 * lost / sent:.0f}% of its echoes are lost"
    far = [
        (mine - usual, address, mine, usual)
        for address in own.network.rounds
        if (mine := _rtt_ms(own, address)) is not None
        and (theirs := [ms for f in others if (ms := _rtt_ms(f, address)) is not None])
        and mine > max(FAR_TIMES * (usual := median(theirs)), usual + FAR_MS)
    ]
    if far:
        _, address, mine, usual = max(far)
        yield f"its round trip to {address} takes {rtt(mine)}, that of others {rtt(usual)}"


def _losses(facts: NodeFacts) -> tuple[int, int]:
    """How many echoes of a node were lost, and how many it sent; none where none came back."""
    heard = [r for r in facts.network.rounds.values() if any(one.received for one in r)]
    sent = sum(one.sent for rounds in heard for one in rounds)
    return sent - sum(one.received for rounds in heard for one in rounds), sent


def _rtt_ms(facts: NodeFacts, address: IPv4Address) -> float | None:
    times = [r.rtt_min_ms for r in facts.network.rounds.get(address, ())]
    return median(known) if (known := [ms for ms in times if ms is not None]) else None
