"""The widget that shows log lines: only visible lines are decoded and drawn.

The scroll position is a line, not an offset, so nothing moves while the user reads, when lines are
added or dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import ClassVar, Self

from rich.segment import Segment
from textual import events, on
from textual.binding import Binding, BindingType
from textual.geometry import Offset, Region
from textual.message import Message
from textual.selection import Selection
from textual.strip import Strip
from textual.widget import Widget

from fleetctl.logs.buffer import LogBuffer
from fleetctl.logs.matching import Pattern
from fleetctl.logs.view import LinePosition, LogView
from fleetctl.tui.logs.drawing import placed, restyled
from fleetctl.tui.logs.painting import NAME_COLOURS, LogPainter
from fleetctl.tui.logs.rows import TOP, LogRows, Row

_WHEEL_ROWS = 3
_BAR = "┃"


class LogLines(Widget, can_focus=True):
    """Shows part of a :class:`LogView`: follows its end, or stays at a line.

    :param moved: called when following, or the number of new lines, may have changed. A callback,
        because a message would arrive a frame after the lines.
    """

    DEFAULT_CSS = """
    LogLines { height: 1fr; width: 1fr; }
    LogLines > .log--name-0 { color: $text-primary; }
    LogLines > .log--name-1 { color: $text-success; }
    LogLines > .log--name-2 { color: $text-accent; }
    LogLines > .log--name-3 { color: $text-warning; }
    LogLines > .log--name-4 { color: $text-secondary; }
    LogLines > .log--name-5 { color: $foreground; }
    LogLines > .log--quiet { color: $foreground-muted; }
    LogLines > .log--mark { color: $text-warning; text-style: bold; }
    LogLines > .log--hit { text-style: reverse; }
    LogLines > .log--here { text-style: bold underline; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"log--name-{i}" for i in range(NAME_COLOURS)),
        "log--quiet",
        "log--mark",
        "log--hit",
        "log--here",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Line up", show=False),
        Binding("down,j", "move(1)", "Line down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home,g", "first", "Oldest line", show=False),
        Binding("end,G", "follow", "Newest line, follow", show=False),
        Binding("left", "aside(-1)", "Left in long lines", show=False),
        Binding("right", "aside(1)", "Right in long lines", show=False),
    ]

    class Pointed(Message):
        """A line was clicked, once or twice."""

        def __init__(self, instance: str, *, opened: bool) -> None:
            super().__init__()
            self.instance = instance
            self.opened = opened

    def __init__(
        self,
        buffer: LogBuffer,
        view: LogView,
        names: Sequence[str],
        moved: Callable[[], None],
    ) -> None:
        super().__init__()
        self._moved = moved
        self._view = view
        self._painter = LogPainter(self, view, names)
        self._rows = LogRows(buffer, view, self._painter.height_of)
        self._on_screen: list[Row] = []
        self._following = True
        self._top = TOP
        """The first row shown while not following."""
        self._left = 0
        self._bar = (0, 0)
        self._dragging = False
        self._drawn: tuple[Region, list[Strip]] | None = None
        """What is on the screen; None: it is to be drawn again."""

    # What is shown, and how

    @property
    def following(self) -> bool:
        """Whether the newest line stays in view."""
        return self._following

    @property
    def wrap(self) -> bool:
        """Whether long lines are wrapped."""
        return self._painter.wrap

    @property
    def times(self) -> bool:
        """Whether times are shown before lines."""
        return self._painter.times

    def set_names(self, names: Sequence[str]) -> None:
        """Show these instances; with more than one, each line begins with its name."""
        self._rows.names = self._painter.names = tuple(names)
        self.redraw()

    def set_wrap(self, wrap: bool) -> None:
        self._painter.wrap, self._left = wrap, 0
        self._top = self._top._replace(part=0)
        self.redraw()

    def set_times(self, times: bool) -> None:
        self._painter.times = times
        self.redraw()

    def set_search(self, search: Pattern | None) -> None:
        """Highlight the matches of ``search``."""
        self._painter.search, self._painter.here = search, None
        self.redraw()

    def redraw(self) -> None:
        """Draw everything again."""
        self._painter.forget()
        self.settle()
        self.refresh()

    def settle(self) -> None:
        """Find the rows again after the view changed; draws only if they differ."""
        rows = self._find_rows()
        if rows != self._on_screen:
            self._on_screen = rows
            if self.is_attached and self.text_selection is not None:
                self.screen.clear_selection()
            self.refresh()
        self.came()

    def came(self) -> None:
        """Lines arrived: scroll if following, else update only the scrollbar and the count."""
        if self._following and (rows := self._find_rows()) != self._on_screen:
            self._on_screen = rows
            self.refresh()
        bar = self._rows.bar(self._on_screen, self.size.height, following=self._following)
        if bar != self._bar:
            self._bar = bar
            self.refresh()
        self._moved()

    def _find_rows(self) -> list[Row]:
        height = self.size.height
        return (
            self._rows.last(height) if self._following else self._rows.beginning(self._top, height)
        )

    @property
    def visible_text(self) -> str:
        """The text of the visible rows."""
        rows = (self._segments(y) for y in range(len(self._on_screen)))
        return "\n".join("".join(segment.text for segment in row).rstrip() for row in rows)

    @property
    def bottom(self) -> LinePosition | None:
        """The last line on the screen."""
        places = [row.what for row in self._on_screen if isinstance(row.what, LinePosition)]
        return places[-1] if places else None

    @property
    def here(self) -> LinePosition | None:
        """The line that was jumped to last."""
        return self._painter.here

    # Moving

    def pause(self) -> None:
        """Stop following."""
        if self._following:
            self._following = False
            self._top = self._on_screen[0] if self._on_screen else TOP
            self._view.watch_fresh()
            self.settle()

    def action_follow(self) -> None:
        """Go to the newest line and stay with it."""
        self._following = True
        self.settle()

    def action_first(self) -> None:
        self.pause()
        self._top = TOP
        self.settle()

    def action_move(self, rows: int) -> None:
        self._move(rows)

    def action_page(self, pages: int) -> None:
        self._move(pages * max(1, self.size.height - 1))

    def action_aside(self, steps: int) -> None:
        step = max(4, self._painter.content_cells // 2)
        most = max(0, self._painter.widest - self._painter.content_cells)
        left = min(max(0, self._left + steps * step), most if steps > 0 else self._left)
        if left != self._left and not self._painter.wrap:
            self._left = left
            self.refresh()

    def jump(self, place: LinePosition) -> None:
        """Show this line, marked, with some lines before it."""
        self.pause()
        self._painter.here = place
        row = Row(place, 0)
        above = list(islice(self._rows.above(row), self.size.height // 3))
        self._top = above[-1] if above else row
        self.redraw()

    def go_by_time(self, seconds: float) -> None:
        """Go to the line that was written so much later, or earlier; after the last one, follow."""
        places = [row.what for row in self._on_screen if isinstance(row.what, LinePosition)]
        if not places:
            return
        place = self.here if self.here in places else places[-1 if self._following else 0]
        assert place is not None
        found = self._view.from_time(place.chunk.at + seconds)
        if seconds > 0 and found is None:
            self.action_follow()
            return
        if seconds < 0 and (found is None or found.chunk.key >= place.chunk.key):
            found = next(self._view.before(place), None)  # there was a longer pause
        if found:
            self.jump(found)

    def go_to_time(self, at_s: float) -> bool:
        """Go to the first line that is not older than that time; whether there is one."""
        found = self._view.from_time(at_s)
        if found:
            self.jump(found)
        return found is not None

    def point(self, place: LinePosition) -> None:
        """Mark a line, without scrolling."""
        self._painter.here = place
        self.redraw()
        self._moved()

    @on(events.Click)
    def _clicked(self, event: events.Click) -> None:
        row = self._on_screen[event.y] if event.y < len(self._on_screen) else None
        if row and isinstance(row.what, LinePosition) and event.x < self.size.width - 1:
            self.point(row.what)
            self.post_message(self.Pointed(row.what.chunk.instance, opened=event.chain > 1))

    def _move(self, count: int) -> None:
        if not self._on_screen or (self._following and count > 0):
            return
        if count < 0:
            above = list(islice(self._rows.above(self._on_screen[0]), -count))
            if above:
                self.pause()
                self._top = above[-1]
                self.settle()
            return
        below = list(islice(self._rows.below(self._on_screen[-1]), count + 1))
        if len(below) <= count:  # nothing more comes after these
            self.action_follow()
            return
        self._top = (self._on_screen + below)[count]
        self.settle()

    # How they look

    def _segments(self, y: int) -> list[Segment]:
        """A row of the screen without the scrollbar."""
        row = self._on_screen[y] if y < len(self._on_screen) else None
        return self._painter.segments(row, self._left)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Each row changes with each line that comes, and there is no border: Textual's cache of
        rows, and what it does for borders, would cost as much as the rows."""
        if self._drawn is None or self._drawn[0] != crop:
            self._painter.begin()
            rows = [self.render_line(y) for y in crop.line_range]
            ground = self.background_colors[1]
            for line_filter in self.get_line_filters():
                rows = [row.apply_filter(line_filter, ground) for row in rows]
            if crop.column_span != (0, self.size.width):
                rows = [row.crop(*crop.column_span) for row in rows]
            self._drawn = crop, rows
        return self._drawn[1]

    def refresh(
        self,
        *regions: Region,
        repaint: bool = True,
        layout: bool = False,
        recompose: bool = False,
    ) -> Self:
        """Draw again."""
        self._drawn = None
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def render_line(self, y: int) -> Strip:
        if y == 0:
            self._painter.widest = 0
        segments: Iterable[Segment] = self._segments(y)
        selection = self.text_selection
        if selection is not None and (span := selection.get_span(y)) is not None:
            start, end = span
            style = self.screen.get_component_rich_style("screen--selection")
            segments = restyled(segments, start, None if end == -1 else end, style)
        first, last = self._bar
        bar = Segment(_BAR if first <= y < last else " ", self._painter.style("quiet"))
        return Strip([*placed(segments, y), bar], self.size.width)

    # Mouse and window

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        return selection.extract(self.visible_text), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        if selection is not None:
            self.pause()
        self.refresh()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._painter.forget()
        self._drawn = None

    @on(events.Resize)
    def _resized(self, event: events.Resize) -> None:
        self.redraw()

    @on(events.MouseScrollUp)
    def _wheel_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._move(-_WHEEL_ROWS)

    @on(events.MouseScrollDown)
    def _wheel_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._move(_WHEEL_ROWS)

    @on(events.MouseDown)
    def _grab(self, event: events.MouseDown) -> None:
        if event.x == self.size.width - 1 and self._bar != (0, 0):
            event.stop()
            self.capture_mouse()
            self._dragging = True
            self._drag_to(event.offset)

    @on(events.MouseMove)
    def _drag(self, event: events.MouseMove) -> None:
        if self._dragging:
            self._drag_to(event.offset)

    @on(events.MouseUp)
    def _let_go(self, event: events.MouseUp) -> None:
        if self._dragging:
            self._dragging = False
            self.release_mouse()

    def _drag_to(self, to: Offset) -> None:
        height = self.size.height
        if to.y >= height - 1:
            self.action_follow()
            return
        self.pause()
        place = self._view.at(max(0, to.y) * self._view.rows // height)
        self._top = Row(place, 0) if place and to.y > 0 else TOP
        self.settle()
