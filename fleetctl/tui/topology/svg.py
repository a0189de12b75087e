"""The drawing as a picture (SVG 1.1). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from rich.cells import cell_len

from fleetctl.tui.topology.drawing import Cell, Drawing
from fleetctl.tui.topology.picture import CROSSING, LINE, LINK
from fleetctl.tui.topology.stateless import DOT

COLUMN, ROW, MARGIN, BASE = 8.4, 20, 16, 14
"""The size of a character's place, what is around all of them, and where text stands in a place."""
_STYLE = (
    "text{font:14px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#24292f;"
    "white-space:pre}.node{font-weight:bold}.quiet{fill:#656d76}"
    "line{stroke:#8c959f;stroke-width:1.5}.net{stroke-width:4}circle{fill:#1f6feb}"
)


def svg(drawing: Drawing, title: str) -> str:
    """
    :param title: what it shows; for readers that cannot see it.
    """
    columns = max((sum(cell_len(c.text) for c in row) for row in drawing.rows), default=0)
    wide, high = columns * COLUMN + 2 * MARGIN, len(drawing.rows) * ROW + 2 * MARGIN
    shapes = [shape for row in range(len(drawing.rows)) for shape in _row(drawing, row)]
    shapes.sort(key=lambda shape: not shape.startswith("<line"))  # lines lie below marks and text
    body = "\n".join(shapes)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide:g}" height="{high:g}" '
        f'viewBox="0 0 {wide:g} {high:g}" role="img">\n'
        f"<title>{_safe(title)}</title>\n<style>{_STYLE}</style>\n"
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


def _row(drawing: Drawing, row: int) -> Iterator[str]:
    column = 0
    for cell in drawing.rows[row]:
        wide = cell_len(cell.text)
        if set(cell.text) == {LINE}:
            yield _horizontal(row, column, wide)
        elif set(cell.text) <= {LINE, LINK, CROSSING, DOT, " "}:
            for place, character in enumerate(cell.text, column):
                yield from _shapes(drawing, row, place, character)
        else:
            yield _text(cell, row, column)
        column += wide


def _shapes(drawing: Drawing, row: int, column: int, character: str) -> Iterator[str]:
    left, top = MARGIN + column * COLUMN, MARGIN + row * ROW
    middle, centre = left + COLUMN / 2, top + ROW / 2
    if character in (LINE, CROSSING) or (character == DOT and _on_line(drawing, row, column)):
        yield _horizontal(row, column, 1)
    if character in (LINK, CROSSING):
        bottom = top + ROW
        yield f'<line x1="{middle:g}" y1="{top:g}" x2="{middle:g}" y2="{bottom:g}"/>'
    if character == DOT:
        yield f'<circle cx="{middle:g}" cy="{centre:g}" r="4"/>'


def _horizontal(row: int, column: int, wide: int) -> str:
    left, y = MARGIN + column * COLUMN, MARGIN + row * ROW + ROW / 2
    return f'<line class="net" x1="{left:g}" y1="{y:g}" x2="{left + wide * COLUMN:g}" y2="{y:g}"/>'


def _on_line(drawing: Drawing, row: int, column: int) -> bool:
    text = "".join(cell.text for cell in drawing.rows[row])
    return LINE in text[max(column - 1, 0) : column]


def _text(cell: Cell, row: int, column: int) -> str:
    inset = len(cell.text) - len(cell.text.lstrip(" "))
    words = cell.text.strip(" ")
    x, y = MARGIN + (column + inset) * COLUMN, MARGIN + row * ROW + BASE
    node = cell.target is not None and cell.target.network is None and cell.tone is None
    kind = ' class="node"' if node else ' class="quiet"' if cell.tone == "quiet" else ""
    length = cell_len(words) * COLUMN
    return f'<text{kind} x="{x:g}" y="{y:g}" textLength="{length:g}">{_safe(words)}</text>'


def _safe(text: str) -> str:
    """As content of an element; XML allows no control character, escaped or not."""
    return escape("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text))
