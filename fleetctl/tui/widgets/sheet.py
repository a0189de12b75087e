"""A text of many lines that changes again and again, of which only what changed is drawn again."""

from __future__ import annotations

from textual.content import Content
from textual.css.styles import RulesMap
from textual.geometry import Region
from textual.strip import Strip
from textual.visual import Visual
from textual.widget import Widget


class Sheet(Widget):
    """As high as its text, and as what it scrolls in at least. A ``Static`` is drawn as a whole,
    and laid out with the whole screen."""

    DEFAULT_CSS = "Sheet { height: auto; min-height: 100%; }"

    def __init__(self) -> None:
        super().__init__()
        self._text = Content()
        self._lines = [self._text]
        self._placed: tuple[int, list[tuple[int, int]]] = 0, []
        """By row of the screen: the number of its line and which of that line's rows it is, at this
        width; 0: of none."""
        self._drawn: dict[int, list[Strip]] = {}
        """By number of a line: its rows, without where they are on the screen."""

    def render(self) -> Content:
        """The text."""
        return self._text

    def render_line(self, y: int) -> Strip:
        """Of the lines that are in view, those that changed are drawn. While text is selected with
        the mouse, all of them are, as one."""
        if self.text_selection is not None:
            return super().render_line(y)
        places = self._places()
        if y < len(places):
            number, part = places[y]
            if part < len(rows := self._rows_of(number)):
                return rows[part].apply_offsets(0, y)
        return Strip.blank(self.size.width, self.visual_style.rich_style)

    def _places(self) -> list[tuple[int, int]]:
        width = self.size.width
        if self._placed[0] != width:
            rows = enumerate(map(self._rows, self._lines))
            self._placed = width, [(line, part) for line, high in rows for part in range(high)]
            self._drawn.clear()
        return self._placed[1]

    def _rows_of(self, number: int) -> list[Strip]:
        if number not in self._drawn:
            line, width = self._lines[number] or Content(" "), self.size.width
            self._drawn[number] = Visual.to_strips(self, line, width, None, self.visual_style)
        return self._drawn[number]

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._drawn.clear()

    def show(self, text: Content) -> None:
        """Show ``text``. Lines that are in their former place stay as they are on the screen, and
        so does all else unless it is higher or lower than what fits."""
        if text == self._text:
            return
        before, after = self._lines, text.split("\n")
        self._text, self._lines = text, list(after)
        changed, row = list[Region](), 0
        heights = [self._rows(line) for line in after]
        for number, (old, new, height) in enumerate(zip(before, after, heights, strict=False)):
            if old != new:
                self._drawn.pop(number, None)
                if self._rows(old) != height:
                    break  # all below it moves
                changed.append(Region(0, row, self.size.width, height))
            row += height
        else:
            if len(before) == len(after):
                self.refresh(*changed)
                return
        self._placed = 0, []
        around = self.parent
        fits = around.scrollable_content_region.height if isinstance(around, Widget) else 0
        self.refresh(layout=max(sum(heights), fits) != self.size.height)

    def _rows(self, line: Content) -> int:
        """How many rows a line takes as it is wrapped."""
        width = max(1, self.size.width)  # 0 as long as it was never shown
        return 1 if line.cell_length <= width else line.get_height(RulesMap(), width)
