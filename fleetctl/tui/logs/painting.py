"""How rows of logs are drawn: names, times, ANSI colours, search matches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.cache import LRUCache
from textual.strip import Strip
from textual.widget import Widget

from fleetctl.logs.matching import Pattern
from fleetctl.logs.view import LinePosition, LogView
from fleetctl.tui.eliding import MORE, apart
from fleetctl.tui.logs.drawing import drawing, fitted, highlight, strips
from fleetctl.tui.logs.rows import Older, Row, What

NAME_COLOURS = 6
_KEPT_DRAWINGS = 256
_ROOM_FOR_TIMES = 30


class LogPainter:
    """Draws rows for ``screen``, with a cache of drawn lines.

    :param screen: gives the width, and the styles of the components ``log--...``.
    :param names: of all instances; the place in it decides the colour.
    """

    def __init__(self, screen: Widget, view: LogView, names: Sequence[str]) -> None:
        self._screen = screen
        self._view = view
        self._all_names = tuple(names)
        self.names: Sequence[str] = self._all_names
        """Of the instances that are shown."""
        self.wrap = False
        """Whether long lines are wrapped."""
        self.times = False
        """Whether times are shown before lines."""
        self.search: Pattern | None = None
        """Its matches are highlighted."""
        self.here: LinePosition | None = None
        """The line that was jumped to last."""
        self.widest = 0
        """Cells of the longest line drawn since this was last set to 0."""
        self._drawings: LRUCache[object, list[Strip]] = LRUCache(_KEPT_DRAWINGS)
        self._styles: dict[str, Style] = {}
        self._line_cells, self._name_cells, self._time_cells = 1, 0, 0

    def forget(self) -> None:
        """Empty the caches, and measure again."""
        self._drawings.clear()
        self._styles.clear()
        self.begin()

    def begin(self) -> None:
        """Measure the room, and whether styles are still the same, before a screen is drawn."""
        base = self._screen.rich_style
        if base != self._styles.get(""):
            self._styles = {"": base}
        width = self._screen.size.width
        widest = max(map(cell_len, self.names), default=0) if len(self.names) != 1 else 0
        self._line_cells = max(1, width - 1)  # without the scrollbar
        self._name_cells = min(widest, max(4, width // 3))
        self._time_cells = len("12:00:41 ") if self.times and width >= _ROOM_FOR_TIMES else 0

    @property
    def content_cells(self) -> int:
        cells = self._line_cells - (self._name_cells + 3 if self._name_cells else 0)
        return max(2, cells - self._time_cells)

    def style(self, name: str) -> Style:
        """The style of a component, or of the text when ``name`` is empty; cached."""
        if (style := self._styles.get(name)) is None:
            style = (
                self._screen.get_component_rich_style(f"log--{name}")
                if name
                else self._screen.rich_style
            )
            self._styles[name] = style
        return style

    def height_of(self, what: What) -> int:
        if not self.wrap or isinstance(what, Older):
            return 1
        return len(self._content(what))

    def _content(self, what: What) -> list[Strip]:
        """The rows of a line, without name and time."""
        key = (what.chunk.key, what.number) if isinstance(what, LinePosition) else what
        if (known := self._drawings.get(key)) is not None:
            return known
        base = self.style("")
        if isinstance(what, LinePosition):
            mark = what.chunk.mark
            line = drawing(f"── {mark} ──" if mark else self._view.text(what), base)
            if mark:
                line.stylize(self.style("mark"))
            elif not self._view.is_match(what):
                line.stylize(self.style("quiet"))
        else:
            line = drawing(what.text, base)
            if isinstance(what, Older):
                line.stylize(self.style("quiet"))
        if self.search and not isinstance(what, Older):
            highlight(line, self.search, self.style("hit"))
        if what == self.here:
            line.stylize(self.style("here"))
        width = self.content_cells if self.wrap else None
        self._drawings[key] = drawn = strips(line, self._screen.app.console, width)
        return drawn

    def _head(self, row: Row) -> list[Segment]:
        """The name and the time before a line."""
        what = row.what
        if isinstance(what, Older):
            return []
        first = row.part == 0
        base = self.style("")
        segments: list[Segment] = []
        if cells := self._name_cells:
            name = what.chunk.instance if isinstance(what, LinePosition) else what.instance
            colour = self._all_names.index(name) % NAME_COLOURS
            text = fitted(apart(self._all_names, cells)[name] if first else "", cells)
            segments = [Segment(text, self.style(f"name-{colour}")), Segment(" | ", base)]
        if self._time_cells:
            when = "        "
            if first and isinstance(what, LinePosition):
                written = what.chunk.written
                when = "??:??:??"
                if written is not None:
                    # in local time
                    when = datetime.fromtimestamp(written).astimezone().strftime("%H:%M:%S")
            segments.append(Segment(f"{when} ", self.style("quiet")))
        return segments

    def segments(self, row: Row | None, left: int) -> list[Segment]:
        """A row of the screen, scrolled right by ``left`` cells; blank when ``row`` is None.

        Not made of strips: a strip has nine caches, and this draws up to 400 rows a second.
        """
        base, width = self.style(""), self._line_cells
        if row is None:
            return [Segment(" " * width, base)]
        segments = self._head(row)
        room = width - sum(cell_len(segment.text) for segment in segments)
        parts = self._content(row.what)
        content = parts[min(row.part, len(parts) - 1)]
        self.widest = max(self.widest, content.cell_length)
        if isinstance(row.what, Older):
            left = 0
        more = room > 1 and content.cell_length > left + room
        if left or content.cell_length > room:
            content = content.crop(left, left + max(room - more, 0))
        segments += content
        room -= content.cell_length + more
        if more:
            segments.append(Segment(MORE, self.style("quiet")))
        if room > 0:
            segments.append(Segment(" " * room, base))
        return segments if room >= 0 else list(Strip(segments).crop(0, width))
