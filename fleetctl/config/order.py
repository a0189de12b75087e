"""Checks that the services of a job do not wait for each other in a cycle."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

from fleetctl.config.report import Report, TreePath


def check_order(path: TreePath, after: Mapping[str, tuple[str, ...]], report: Report) -> None:
    """Report every cycle in ``after`` once, at the first of its services in the file.

    :param path: that of the services.
    :param after: by service name: the services that it waits for, all of them known.
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
    """Services in a cycle: each waits for the next, the last for the first; empty: no cycle."""
    sorter = TopologicalSorter({n: [a for a in names if a in after] for n, names in after.items()})
    try:
        sorter.prepare()
    except CycleError as error:
        # The error lists the cycle in the other direction, with its first name repeated.
        return list(reversed(error.args[1][1:]))
    return []
