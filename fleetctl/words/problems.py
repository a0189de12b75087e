"""Which problems are shown as one: the same cause on many nodes. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from fleetctl.model.status import Problem

MANY = 3
"""From so many nodes on, problems of one code are shown as one with a count."""


def groups(problems: Sequence[Problem]) -> tuple[tuple[Problem, ...], ...]:
    """``problems`` in their order, those of one code and severity on many nodes together."""
    found: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        found.setdefault((problem.code, problem.severity), []).append(problem)
    together: dict[object, tuple[Problem, ...]] = {}
    for number, problem in enumerate(problems):
        same = found[problem.code, problem.severity]
        if len({p.node for p in same if p.node}) >= MANY:
            together[problem.code, problem.severity] = tuple(same)
        else:
            together[number] = (problem,)
    return tuple(together.values())


def nodes_of(group: Sequence[Problem]) -> tuple[str, ...]:
    """The nodes that have it."""
    return tuple(dict.fromkeys(p.node for p in group if p.node))
