"""In which order nodes are reached: gateways and jump hosts before what is behind them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fleetctl.model.topology import Fleet


def waves(fleet: Fleet, names: Sequence[str]) -> list[list[str]]:
    """``names`` in groups: those that nodes.yaml reaches directly, those behind one node, and so
    on; within a group in the given order."""
    groups: dict[int, list[str]] = {}
    for name in names:
        groups.setdefault(_depth(fleet, name, ()), []).append(name)
    return [groups[depth] for depth in sorted(groups)]


def outward(fleet: Fleet, names: Sequence[str]) -> list[str]:
    """``names`` from the nearest to the farthest: jump hosts before what is behind them, and among
    equal ones gateways first. What is taken away goes the other way round."""
    gateways = {gate for node in fleet.nodes.values() for gate in node.via.values()}
    return [n for w in waves(fleet, names) for n in sorted(w, key=lambda n: n not in gateways)]


def behind(fleet: Fleet, name: str, others: Iterable[str]) -> list[str]:
    """Those of ``others`` that are reached through ``name``."""
    return [other for other in others if name in _through(fleet, other, ())]


def _through(fleet: Fleet, name: str, before: tuple[str, ...]) -> Iterator[str]:
    """All nodes on the way to ``name``; a circle ends where it begins again."""
    for gate in _gates(fleet, name):
        if gate not in (*before, name):
            yield gate
            yield from _through(fleet, gate, (*before, name))


def _depth(fleet: Fleet, name: str, before: tuple[str, ...]) -> int:
    """How many nodes are on the way; a circle ends where it begins again."""
    inner = [
        _depth(fleet, gate, (*before, name)) for gate in _gates(fleet, name) if gate not in before
    ]
    return 1 + max(inner) if inner else 0


def _gates(fleet: Fleet, name: str) -> list[str]:
    """The nodes that nodes.yaml names as its jump hosts."""
    jumps = fleet.nodes[name].ssh.proxy_jump or ""
    return [jump.strip() for jump in jumps.split(",") if jump.strip() in fleet.nodes]
