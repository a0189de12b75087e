"""The drawing of a fleet whose state is not asked: without marks of states. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleetctl.marks import mark
from fleetctl.model.jobs import Job
from fleetctl.model.topology import Fleet
from fleetctl.tui.topology.draw import draw
from fleetctl.tui.topology.drawing import Cell, Drawing

DOT = "•"
"""In place of the mark of a node or link."""
_UNKNOWN = mark("unknown").symbol
_ROWS = 1000
"""As many as are needed: the largest form is drawn."""


def stateless(fleet: Fleet, job: Job | None, columns: int) -> Drawing:
    """``fleet``, drawn within ``columns``, with all addresses that fit."""
    drawing = draw(fleet, job, None, columns, _ROWS)
    return Drawing(tuple(tuple(_cells(row)) for row in drawing.rows), drawing.places)


def _cells(row: Sequence[Cell]) -> Iterator[Cell]:
    for cell, after in zip(row, [*row[1:], Cell("")], strict=True):
        if cell.target is None or (cell.text, cell.tone) != (_UNKNOWN, "quiet"):
            yield cell
        elif cell.target.network or after.text.startswith(f" {cell.target.node}"):
            yield Cell(DOT, cell.tone, cell.target)
        else:  # of the services on the node
            yield Cell(" ")
