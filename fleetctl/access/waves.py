"""The order in which nodes are given access: jump hosts before what is behind them."""

from __future__ import annotations

from collections.abc import Sequence

from fleetctl.model.topology import Fleet


def waves(fleet: Fleet, names: Sequence[str]) -> list[list[str]]:
    """``names`` in groups: those that nodes.yaml reaches directly, those behind one node, and so
    on; within a group in the given order."""
    groups: dict[int, list[str]] = {}
    for name in names:
        groups.setdefault(_depth(fleet, name, ()), []).append(name)
    return [groups[depth] for depth in sorted(groups)]


def _depth(fleet: Fleet, name: str, before: tuple[str, ...]) -> int:
    """How many nodes are on the way; a circle ends where it begins again."""
    jumps = fleet.nodes[name].ssh.proxy_jump or ""
    gates = [jump.strip() for jump in jumps.split(",") if jump.strip() in fleet.nodes]
    inner = [_depth(fleet, gate, (*before, name)) for gate in gates if gate not in before]
    return 1 + max(inner) if inner else 0
