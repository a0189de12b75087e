"""When watched nodes were lost. Echoes that came back from none of them then tell of that, and not
of a link that loses some."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from msgspec.structs import replace

from fleetctl.model.facts import NodeFacts
from fleetctl.model.topology import Fleet
from fleetctl.probes.asked.echoes import SLOTS, present_slot


class Absences:
    """Of the nodes of one watch, in the stretches of time in which echoes are counted
    (:class:`fleetctl.model.network.EchoRound`)."""

    def __init__(self) -> None:
        self._heard: dict[str, int] = {}
        """By node: in which stretch it was heard last."""
        self._lost: set[str] = set()
        self._absent: dict[str, range] = {}
        """By node that was lost: from the stretch in which it was heard last to that in which it
        was heard again; the newest time."""

    def heard(self, node: str) -> None:
        now = present_slot()
        if node in self._lost:
            self._lost.discard(node)
            self._absent[node] = range(self._heard.get(node, now - SLOTS), now + 1)
        elif node in self._absent and self._absent[node].stop <= now - SLOTS:
            del self._absent[node]
        self._heard[node] = now

    def lost(self, node: str) -> None:
        self._lost.add(node)

    def without(self, fleet: Fleet, facts: NodeFacts) -> NodeFacts:
        """``facts`` without the echoes to nodes from stretches in which these were lost."""
        rounds = facts.network.rounds
        changed = {
            address: tuple(r for r in rounds[address] if r.slot not in absent)
            for address, absent in self._addresses(fleet)
            if any(r.slot in absent for r in rounds.get(address, ()))
        }
        if not changed:
            return facts
        return replace(facts, network=replace(facts.network, rounds={**rounds, **changed}))

    def _addresses(self, fleet: Fleet) -> Iterator[tuple[IPv4Address, range]]:
        for name, absent in self._absent.items():
            node = fleet.nodes.get(name)
            yield from ((address, absent) for address in (node.addresses.values() if node else ()))
