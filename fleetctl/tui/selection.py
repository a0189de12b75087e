"""The one cursor of the screen, and the rows that are marked. Pure."""

from __future__ import annotations

from fleetctl.model.jobs import Job
from fleetctl.quantities import count
from fleetctl.tui.counting import named
from fleetctl.tui.under_cursor import NOTHING, UnderCursor


class Selection:
    """What the panels share: the row that the cursor is on, and what is marked besides."""

    def __init__(self) -> None:
        self.row = NOTHING
        """Of the panel that the cursor was in last."""
        self._marks: dict[str, UnderCursor] = {}
        """By instance, or by node where nothing of the job runs."""

    @property
    def marks(self) -> frozenset[str]:
        """Names of instances, and of nodes without one."""
        return frozenset(self._marks)

    def toggle(self) -> None:
        """Mark what the cursor is on, or take its marks away when all of it is marked."""
        rows = _rows(self.row)
        if rows.keys() <= self._marks.keys():
            for name in rows:
                del self._marks[name]
        else:
            self._marks |= rows

    def clear(self) -> None:
        """Take all marks away."""
        self._marks = {}

    @property
    def acted_on(self) -> UnderCursor:
        """What keys act on: what is marked, else the row."""
        if not self._marks:
            return self.row
        names, rows = list(self._marks), self._marks.values()
        return UnderCursor(
            named(names, "row"),
            tuple(dict.fromkeys(node for row in rows for node in row.nodes)),
            tuple(instance for row in rows for instance in row.instances),
            marked=True,
        )


def _rows(under: UnderCursor) -> dict[str, UnderCursor]:
    """What is marked: each instance by itself, else each node."""
    if under.instances:
        return {i.name: UnderCursor(i.name, (i.node,), (i,)) for i in under.instances}
    return {node: UnderCursor(node, (node,)) for node in under.nodes}


def stop_words(under: UnderCursor, job: Job | None) -> str:
    """What start, stop and restart are about, in the footer; the whole job where nothing is
    selected."""
    if under.marked:
        number = max(len(under.instances), len(under.nodes))
        return under.name if number == 1 else f"{number} marked"
    if len(under.instances) == 1:
        return under.instances[0].name
    if under.instances:
        number, several = len(under.instances), len(under.nodes) > 1
        if under.problems:  # their name says what is wrong, not what is stopped
            return count(number, "instance") if several else f"{under.nodes[0]} ({number})"
        return under.name if several else f"{under.name} ({number})"  # it may have its number
    return job.name if job else ""


def fix_words(under: UnderCursor) -> str:
    """What a repair is about, in the footer."""
    if under.problems:
        return under.problems[0].code
    return under.nodes[0] if len(under.nodes) == 1 else f"{len(under.nodes)} nodes"
