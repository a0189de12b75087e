"""One node in a drawing: its mark, its name, and what it does."""

from __future__ import annotations

from fleetctl.tui.topology.appearance import Appearance
from fleetctl.tui.topology.drawing import Sheet, Target


def put_node(look: Appearance, sheet: Sheet, row: int, column: int, name: str) -> None:
    """Mark and name; this is where the node stands."""
    target = Target(node=name)
    sheet.places.setdefault(name, (row, column))
    sheet.mark(row, column, look.node(name), target)
    sheet.put(row, column + 1, " " + name, look.name_tone(name), target)


def put_role(look: Appearance, sheet: Sheet, row: int, column: int, name: str) -> int:
    """What the node does, with its state; returns the column after it."""
    target = Target(node=name)
    column = sheet.put(row, column, look.role(name), "quiet", target)
    if state := look.role_mark(name):
        column = sheet.put(row, column, " ", None, target)
        column = sheet.mark(row, column, state, target)
    return column
