"""Lines of logs as cells of a screen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate, islice

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.strip import Strip

from fleetctl.logs.matching import Pattern

TAB_CELLS = 8
MOST_HITS = 500
"""The most matches that are highlighted in one line."""
# Unicode controls of text direction and line breaks; terminals differ in what they do with them.
_TURNING = dict.fromkeys(
    [0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)],
    "\N{REPLACEMENT CHARACTER}",
)


def drawing(text: str, base: Style) -> Text:
    """A line with its ANSI colours, in the style ``base``, with tabs expanded."""
    if not text.isascii():
        text = text.translate(_TURNING)
    line = Text.from_ansi(text, end="") if "\x1b" in text else Text(text, end="")
    line.style = base
    line.expand_tabs(TAB_CELLS)
    return line


def highlight(line: Text, pattern: Pattern, style: Style) -> None:
    """Mark where the pattern is found."""
    for span in islice(pattern.spans(line.plain), MOST_HITS):
        line.stylize(style, *span)


def strips(line: Text, console: Console, width: int | None) -> list[Strip]:
    """The line as rows of at most ``width`` cells; as one row without a width."""
    parts = [line]
    if width is not None and (cuts := _cuts(line.plain, max(width, 2))):
        parts = list(line.divide(cuts))
    return [Strip(_segments(part, console)) for part in parts]


def _segments(line: Text, console: Console) -> Iterable[Segment]:
    """As ``line.render``, but with the base style also where no part has a style of its own."""
    if line.spans or not isinstance(line.style, Style):
        return line.render(console)
    return [Segment(line.plain, line.style)]


def _cuts(text: str, width: int) -> Sequence[int]:
    """Where to break the text, so that no wide character is split."""
    if text.isascii():
        return range(width, len(text), width)
    return list(accumulate(map(len, chop_cells(text, width))))[:-1]


def fitted(text: str, cells: int) -> str:
    """``text`` padded to ``cells``, or cut with an ellipsis."""
    if cell_len(text) > cells:
        text = set_cell_size(text, max(cells - 1, 0)) + "…"
    return set_cell_size(text, cells)


def restyled(
    segments: Iterable[Segment], start: int, end: int | None, style: Style
) -> Iterable[Segment]:
    """``segments`` with ``style`` added from character ``start`` up to ``end``."""
    place = 0
    for text, own, _ in segments:
        first = min(max(start - place, 0), len(text))
        last = len(text) if end is None else min(max(end - place, first), len(text))
        for part, inside in ((text[:first], 0), (text[first:last], 1), (text[last:], 0)):
            if part:
                yield Segment(part, (own or Style.null()) + style if inside else own)
        place += len(text)


def placed(segments: Iterable[Segment], y: int) -> Iterable[Segment]:
    """``segments`` with their screen offsets, which Textual needs to select with the mouse."""
    x = 0
    for text, style, _ in segments:
        place = _offset(x, y)
        yield Segment(text, style + place if style else place)
        x += len(text)


@lru_cache(maxsize=4096)
def _offset(x: int, y: int) -> Style:
    """As :meth:`textual.strip.Strip.apply_offsets` makes them, but cached."""
    return Style.from_meta({"offset": (x, y)})
