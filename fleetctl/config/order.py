"""Checks that the services of a job can be started one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

from fleetctl.config.report import Report, TreePath


def check_order(path: TreePath, after: Mapping[str, tuple[str, ...]], report: Report) -> None:
    """Report every cycle in ``after``, once, at the first of its services in the file.

    :param path: of the services.
    :param after: service name to the names of those it waits for, all of them known.
    """
    rest = dict(after)
    while cycle := _cycle(rest):
        first = min(cycle, key=list(after).index)
        turn = cycle.index(first)
        names = [*cycle[turn:], *cycle[:turn], first]
        what = f"after runs in a cycle: {' waits for '.join(names)}"
        report.mistake((*path, first, "after"), what)
        del rest[first]


def _cycle(after: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Services that wait for each other: each for the next, the last for the first."""
    sorter = TopologicalSorter({n: [a for a in names if a in after] for n, names in after.items()})
    try:
        sorter.prepare()
    except CycleError as error:
        # The error lists the cycle with its first name repeated, each name waited for by the next.
        return list(reversed(error.args[1][1:]))
    return []
