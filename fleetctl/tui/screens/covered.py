"""Screens that are not drawn while another lies over them, and how a question shows them dimmed."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.app import ScreenStackError
from textual.color import Color
from textual.css.styles import RulesMap
from textual.geometry import Size
from textual.screen import Screen, ScreenResultType
from textual.strip import Strip
from textual.style import Style
from textual.visual import RenderOptions, Visual


class Coverable(Screen[ScreenResultType]):
    """Is drawn only while it is on top.

    Textual draws what is below, and for that the top one, with each log line that comes: ten times
    a second. What came meanwhile is drawn when the one above is gone.
    """

    @property
    def is_current(self) -> bool:
        """Whether it is on top."""
        try:
            return self.app.screen is self
        except ScreenStackError:
            return False


class Dimmed(Visual):
    """A screen as it was drawn at first, below a colour that is partly transparent.

    Textual's ``BackgroundScreen`` mixes the colours of each segment anew; a screen has few styles.
    """

    def __init__(self, screen: Screen[Any], color: Color) -> None:
        self._screen = screen
        self._color = color
        self._drawn: tuple[Size, list[Strip]] | None = None

    def render_strips(
        self, width: int, height: int | None, style: Style, options: RenderOptions
    ) -> list[Strip]:
        size = self._screen.size
        if self._drawn is None or self._drawn[0] != size:
            self._drawn = size, [self._dim(row) for row in self._screen._compositor.render_strips()]
        return self._drawn[1][:height]

    def _dim(self, row: Strip) -> Strip:
        segments = [Segment(part.text, _dimmed(part.style, self._color)) for part in row]
        return Strip(segments, row.cell_length)

    def get_optimal_width(self, rules: RulesMap, container_width: int) -> int:
        return container_width

    def get_height(self, rules: RulesMap, width: int) -> int:
        return self._screen.size.height


@lru_cache(maxsize=1024)
def _dimmed(style: RichStyle | None, color: Color) -> RichStyle:
    """``style`` below ``color``, without what can be clicked."""
    if style is None:
        return RichStyle()
    style = style.clear_meta_and_links()
    if color.a == 0:
        return style
    inks = (style.color, style.bgcolor)
    ink, ground = ((Color.from_rich_color(ink) + color).rich_color if ink else None for ink in inks)
    return style + RichStyle.from_color(ink, ground)
