"""A list of lines with a cursor; its content is replaced as the fleet changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.css.styles import RulesMap
from textual.events import Click
from textual.strip import Strip
from textual.style import Style
from textual.visual import RenderOptions, Visual
from textual.widgets import OptionList
from textual.widgets.option_list import Option

Make = Callable[[], Content]


class LateRow(Visual):
    """A row that is made when it is drawn: of hundreds a few are in view."""

    def __init__(self, make: Make) -> None:
        self._make = make
        self._made: Content | None = None

    @property
    def is_made(self) -> bool:
        """Whether it may stand on the screen."""
        return self._made is not None

    def renew(self, other: LateRow) -> None:
        """Be made as ``other`` would be."""
        self._make = other._make

    @property
    def content(self) -> Content:
        """The row."""
        if self._made is None:
            self._made = self._make()
        return self._made

    def __str__(self) -> str:
        return self.content.plain

    def render_strips(
        self, width: int, height: int | None, style: Style, options: RenderOptions
    ) -> list[Strip]:
        return self.content.render_strips(width, height, style, options)

    def get_optimal_width(self, rules: RulesMap, container_width: int) -> int:
        return self.content.get_optimal_width(rules, container_width)

    def get_height(self, rules: RulesMap, width: int) -> int:
        return 1


class Rows(OptionList):
    """Each row has a key; the cursor keeps its row, and in view, when others come, go or move.

    When its own row goes, it takes that row's place; when all go, it is back on its row when they
    are back. Rows with an empty key are notes, which no key acts on. Only rows that changed are
    drawn again.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", show=False),
        Binding("k", "cursor_up", show=False),
        Binding("g", "first", show=False),
        Binding("G", "last", show=False),
    ]
    DEFAULT_CSS = """
    Rows { border: none; padding: 0; max-height: 100%; background: transparent; text-wrap: nowrap;
           text-overflow: ellipsis; height: 1fr; scrollbar-size-vertical: 1; }
    Rows.body, Rows.body:focus { border: round $accent; border-title-color: $text; padding: 0 1; }
    Rows:focus { border: none; background: transparent; background-tint: $foreground 0%; }
    Rows > .option-list--option { padding: 0; }
    Rows > .option-list--option-highlighted { text-style: none; background: $surface-lighten-1; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, markup=False)
        self._shown: dict[str, Content | LateRow] = {}
        self._last: str | None = None
        """The key that was under the cursor before there was none."""

    def show(self, rows: Sequence[tuple[str, Content | Make]]) -> None:
        """Show ``rows``, each with its key; those that are functions are made when drawn."""
        new = {key: LateRow(row) if callable(row) else row for key, row in rows}
        if list(new) == list(self._shown):  # dicts are equal in any order
            for key, row in new.items():
                new[key] = self._replaced(key, row)
        else:
            kept, place, top = self.key or self._last, self.highlighted, self.scroll_y
            seen = self._sees(place)
            self._last = kept
            self.set_options(Option(content, key) for key, content in new.items())
            if kept in new:
                self.highlighted = list(new).index(kept)
            elif new:
                self.highlighted = min(place or 0, len(new) - 1)
            self.scroll_to(y=top, animate=False)
            if seen:
                self.scroll_to_highlight()
        self._shown = new

    def _replaced(self, key: str, new: Content | LateRow) -> Content | LateRow:
        """What is shown at ``key`` from now on: what was, if it looks the same."""
        old = self._shown[key]
        if isinstance(old, LateRow) and isinstance(new, LateRow) and not old.is_made:
            old.renew(new)
            return old
        if _content(old) == _content(new):
            return old
        self.replace_option_prompt(key, new)
        return new

    def _sees(self, place: int | None) -> bool:
        """Whether the row at ``place`` is in view."""
        line = self._index_to_line.get(-1 if place is None else place)
        return (
            line is not None and 0 <= line - self.scroll_y < self.scrollable_content_region.height
        )

    def _get_option_render(self, option: Option, style: Style) -> list[Strip]:
        """The row under the cursor has one colour: those of states cannot be read on its ground."""
        strips = super()._get_option_render(option, style)
        ground = self.get_component_styles("option-list--option-highlighted").background
        if not (self.has_focus and option is self.highlighted_option and ground.a):
            return strips
        one = RichStyle(color=style.rich_style.color)
        return [Strip(Segment.apply_style(s, post_style=one), s.cell_length) for s in strips]

    async def _on_click(self, event: Click) -> None:
        """One click moves the cursor, two open its row."""
        event.prevent_default()  # of the base, which opens at once
        place = event.style.meta.get("option")
        if place is not None:
            self.highlighted = place
            if event.chain > 1:
                self.action_select()

    @property
    def keys(self) -> list[str]:
        """Of all rows, from the top."""
        return list(self._shown)

    @property
    def key(self) -> str | None:
        """The key of the row under the cursor."""
        option = self.highlighted_option
        return option.id if option else None


def _content(row: Content | LateRow) -> Content:
    return row.content if isinstance(row, LateRow) else row
