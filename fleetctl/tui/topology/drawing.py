"""A drawing made of text: cells with a tone and a target, and the sheet to draw on."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from rich.cells import cell_len, chop_cells

from fleetctl.marks import Mark, Tone


class Target(Struct, frozen=True):
    """What is drawn at a place: a node, a network, or the link between both."""

    node: str | None = None
    network: str | None = None


class Cell(Struct, frozen=True):
    """A run of text with one tone and one target."""

    text: str
    tone: Tone | None = None
    target: Target | None = None


class Drawing(Struct, frozen=True):
    """The topology at one moment and one size."""

    rows: tuple[tuple[Cell, ...], ...]
    places: Mapping[str, tuple[int, int]]
    """Row and column of the mark of each node that is drawn by name."""

    @property
    def plain(self) -> str:
        """The text alone, without blanks at the ends of lines."""
        return "\n".join("".join(cell.text for cell in row).rstrip() for row in self.rows)

    def target_at(self, row: int, column: int) -> Target | None:
        """What is drawn at a place, in terminal columns."""
        end = 0
        for cell in self.rows[row] if 0 <= row < len(self.rows) else ():
            end += cell_len(cell.text)
            if 0 <= column < end:
                return cell.target
        return None


BLANK = Cell(" ")
_COVERED = Cell("")
"""The second half of a wide character."""


class Sheet:
    """Cells by row and column, written in any order; it grows as needed."""

    def __init__(self) -> None:
        self._cells: dict[tuple[int, int], Cell] = {}
        self.places: dict[str, tuple[int, int]] = {}
        self.width = 0
        self.height = 0

    def put(
        self,
        row: int,
        column: int,
        text: str,
        tone: Tone | None = None,
        target: Target | None = None,
    ) -> int:
        """Write ``text`` over what was there; returns the column after it."""
        for character in text:
            width = cell_len(character)
            if not width:  # it combines with the character before it
                continue
            self._cells[row, column] = Cell(character, tone, target)
            for covered in range(column + 1, column + width):
                self._cells[row, covered] = _COVERED
            column += width
        if text:
            self.width = max(self.width, column)
            self.height = max(self.height, row + 1)
        return column

    def mark(self, row: int, column: int, mark: Mark, target: Target | None = None) -> int:
        return self.put(row, column, mark.symbol, mark.tone, target)

    def free(self, row: int, start: int, end: int) -> bool:
        """Whether nothing is written from ``start`` up to ``end``."""
        return not any((row, column) in self._cells for column in range(start, end))

    def text(self, row: int, column: int) -> str:
        return self._cells.get((row, column), BLANK).text

    def paste(self, other: Sheet, row: int, column: int) -> None:
        """Copy ``other`` to this place; a node keeps the place where it was drawn first."""
        for (r, c), cell in other._cells.items():
            self._cells[row + r, column + c] = cell
        for node, (r, c) in other.places.items():
            self.places.setdefault(node, (row + r, column + c))
        self.width = max(self.width, column + other.width)
        self.height = max(self.height, row + other.height)

    def drawing(self, columns: int) -> Drawing:
        """Everything, cut at ``columns``."""
        rows = []
        for row in range(self.height):
            runs: list[Cell] = []
            for column in range(min(self.width, columns)):
                cell = self._cells.get((row, column), BLANK)
                if cell_len(cell.text) + column > columns:
                    cell = BLANK
                last = runs[-1] if runs else None
                if last and (last.tone, last.target) == (cell.tone, cell.target):
                    runs[-1] = Cell(last.text + cell.text, cell.tone, cell.target)
                elif cell.text:
                    runs.append(cell)
            rows.append(tuple(runs))
        return Drawing(tuple(rows), self.places)


def fitted(text: str, columns: int) -> str:
    """``text``, or as much of it as fits with an ellipsis."""
    if cell_len(text) <= columns:
        return text
    return (chop_cells(text, columns - 1)[0] if columns > 1 else "") + "…" if columns > 0 else ""
