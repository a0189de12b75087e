"""Rows of text in few lines: where not all of them fit whole, each keeps one line that ends. Pure
but for Textual's Content."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct
from textual.content import Content


class Wrapping(Struct, frozen=True):
    """A row that is wrapped where there is room."""

    line: Content
    """Cut at its end where there is none."""
    keys: Content = Content()
    """Always shown, at the end of the line."""
    below: Content = Content()
    """Further lines, each of which begins with a line break; the first to be left out."""

    @property
    def whole(self) -> Content:
        return Content.assemble(self.line, self.keys, self.below)

    def shapes(self, width: int) -> Iterator[Content]:
        """The row, and smaller and smaller forms of it; the last has one line."""
        line = Content.assemble(self.line, self.keys)
        if line.get_height({}, width) > self.line.get_height({}, width):  # keys stay together
            line = Content.assemble(self.line, "\n", self.keys)
        yield Content.assemble(line, self.below)
        yield line
        room = max(1, width - self.keys.cell_length)
        yield Content.assemble(self.line.truncate(room, ellipsis=True), self.keys)


def fitted(rows: Sequence[Wrapping], width: int, height: int) -> list[Content]:
    """``rows`` in ``height`` lines of ``width`` columns, or one line each where they are more.

    What room there is goes to the first of them.
    """
    found, spare = [], height - len(rows)
    for row in rows:
        for shape in row.shapes(width):
            more = shape.get_height({}, width) - 1
            if more <= max(spare, 0):
                break
        spare -= more
        found.append(shape)
    return found
