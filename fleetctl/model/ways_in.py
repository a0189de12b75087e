"""In which order nodes are reached: gateways and jump hosts before what is behind them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from fleetctl.model.topology import Fleet

_NONE: Mapping[str, str] = MappingProxyType({})

Ways = Mapping[str, str]
"""By node: the one through which it is reached, though nodes.yaml does not say so."""


def waves(fleet: Fleet, names: Sequence[str], ways: Ways = _NONE) -> list[list[str]]:
    """``names`` in groups: those that are reached directly, those behind one node, and so on;
    within a group in the given order."""
    groups: dict[int, list[str]] = {}
    for name in names:
        groups.setdefault(_depth(fleet, name, ways, ()), []).append(name)
    return [groups[depth] for depth in sorted(groups)]


def outward(fleet: Fleet, names: Sequence[str], ways: Ways = _NONE) -> list[str]:
    """``names`` from the nearest to the farthest: jump hosts before what is behind them, and among
    equal ones gateways first. What is taken away goes the other way round."""
    gateways = {gate for node in fleet.nodes.values() for gate in node.via.values()}
    return [
        n for w in waves(fleet, names, ways) for n in sorted(w, key=lambda n: n not in gateways)
    ]


def behind(fleet: Fleet, name: str, others: Iterable[str], ways: Ways = _NONE) -> list[str]:
    """Those of ``others`` that are reached through ``name``."""
    return [other for other in others if name in _through(fleet, other, ways, ())]


def _through(fleet: Fleet, name: str, ways: Ways, before: tuple[str, ...]) -> Iterator[str]:
    """All nodes on the way to ``name``; a circle ends where it begins again."""
    for gate in _gates(fleet, name, ways):
        if gate not in (*before, name):
            yield gate
            yield from _through(fleet, gate, ways, (*before, name))


def _depth(fleet: Fleet, name: str, ways: Ways, before: tuple[str, ...]) -> int:
    """How many nodes are on the way; a circle ends where it begins again."""
    inner = [
        _depth(fleet, gate, ways, (*before, name))
        for gate in _gates(fleet, name, ways)
        if gate not in before
    ]
    return 1 + max(inner) if inner else 0


def _gates(fleet: Fleet, name: str, ways: Ways) -> list[str]:
    """The nodes through which it is reached."""
    jumps = (fleet.nodes[name].ssh.proxy_jump or "").split(",")
    return [gate for jump in (*jumps, ways.get(name, "")) if (gate := jump.strip()) in fleet.nodes]
