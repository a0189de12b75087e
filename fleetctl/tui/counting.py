"""Names in a sentence: few are listed, many are counted, those with problems are named. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fleetctl.model.status import Problem
from fleetctl.quantities import NAMED, count, first_ones


def named(names: Sequence[str], noun: str) -> str:
    """``a, b, c``, or ``200 nodes``."""
    return ", ".join(names) if len(names) <= NAMED else count(len(names), noun)


def among_nodes(nodes: Sequence[str], problems: Iterable[Problem]) -> str:
    """``200 nodes, 3 of them with problems: pi17, pi40, pi112``; where none has, the number."""
    where = {name.rpartition("@")[2] for p in problems for name in (p.node, *p.affects) if name}
    bad = [name for name in nodes if name in where]
    said = count(len(nodes), "node")
    return f"{said}, {len(bad)} of them with problems: {first_ones(bad)}" if bad else said
