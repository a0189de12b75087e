"""How the room of the screen is divided: which panels are shown, and how large. Pure."""

from __future__ import annotations

from msgspec import Struct

LAYOUTS = ("1", "2", "3")
"""Everything that fits; nodes and logs alone; nodes and what the cursor is on."""
LEAST = 40, 12
"""Columns and rows without which the first line alone is shown."""
BESIDE = 100
"""From so many columns on two panels stand side by side."""
THIRD = 180
"""From so many on there is a third pane."""
LOW = 32
"""Below so many rows each of them counts."""
_TOPOLOGY = 40
"""A topology that is narrower says little."""
_SPACIOUS = 60
"""The columns of a topology that leaves the rest to the nodes."""
_LEAST_ROWS = 6
_LOW_ROWS = 10


class Room(Struct, frozen=True):
    """Columns and rows; 0: it is not shown."""

    topology: int
    details: int
    upper: int
    """The rows of topology and nodes."""


def room(
    layout: str, width: int, height: int, nodes: tuple[int, int], topology_rows: int, rows: int
) -> Room:
    """Divide a screen.

    :param layout: of :data:`LAYOUTS`.
    :param nodes: the columns that the nodes want, with what is most important and with all.
    :param topology_rows: that the largest drawing takes, with its border.
    :param rows: that the nodes take, with border and heading.
    """
    details = 0
    if layout == "3":
        details = width * 45 // 100 if width >= BESIDE else width
    elif layout == "1" and width >= THIRD:
        details = min(width * 3 // 10, 90)
    left = width - details if width >= BESIDE else width
    topology = 0
    if layout == "1" and width >= BESIDE:
        least, most = nodes
        spare = left - (most if details or left - most >= _SPACIOUS else least)
        topology = max(_TOPOLOGY, min(spare, left * 6 // 10))
    wanted = max(rows, topology_rows if topology else 0)
    low = height < LOW
    most_rows = _LOW_ROWS if low else max(_LOW_ROWS + 1, height * 45 // 100)
    return Room(topology, details, min(max(wanted, _LEAST_ROWS), most_rows))
