"""One node in a drawing: its mark, its name, its role."""

from __future__ import annotations

from fleetctl.tui.topology.appearance import Appearance
from fleetctl.tui.topology.drawing import Sheet, Target


def put_node(look: Appearance, sheet: Sheet, row: int, column: int, name: str) -> None:
    """Put mark and name; this is the node's place."""
    target = Target(node=name)
    sheet.places.setdefault(name, (row, column))
    sheet.mark(row, column, look.node(name), target)
    sheet.put(row, column + 1, " " + name, look.name_tone(name), target)


def put_role(look: Appearance, sheet: Sheet, row: int, column: int, name: str) -> int:
    """Put the node's role and its state; returns the column after them."""
    target = Target(node=name)
    column = sheet.put(row, column, look.role(name), "quiet", target)
    if state := look.role_mark(name):
        column = sheet.put(row, column, " ", None, target)
        column = sheet.mark(row, column, state, target)
    return column
