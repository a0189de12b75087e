"""A text of many lines that changes again and again, of which only what changed is drawn again."""

from __future__ import annotations

from textual.content import Content
from textual.css.styles import RulesMap
from textual.geometry import Region
from textual.widget import Widget


class Sheet(Widget):
    """As high as its text, and as what it scrolls in at least. A ``Static`` is drawn as a whole,
    and laid out with the whole screen."""

    DEFAULT_CSS = "Sheet { height: auto; min-height: 100%; }"

    def __init__(self) -> None:
        super().__init__()
        self._text = Content()

    def render(self) -> Content:
        """The text."""
        return self._text

    def show(self, text: Content) -> None:
        """Show ``text``. Lines that are in their former place stay as they are on the screen, and
        so does all else unless it is higher or lower than what fits."""
        if text == self._text:
            return
        before, after = self._text.split("\n"), text.split("\n")
        self._text = text
        changed, row = list[Region](), 0
        heights = [self._rows(line) for line in after]
        for old, new, height in zip(before, after, heights, strict=False):
            if old != new:
                if self._rows(old) != height:
                    break  # all below it moves
                changed.append(Region(0, row, self.size.width, height))
            row += height
        else:
            if len(before) == len(after):
                self.refresh(*changed)
                return
        around = self.parent
        fits = around.scrollable_content_region.height if isinstance(around, Widget) else 0
        self.refresh(layout=max(sum(heights), fits) != self.size.height)

    def _rows(self, line: Content) -> int:
        """How many rows a line takes as it is wrapped."""
        width = max(1, self.size.width)  # 0 as long as it was never shown
        return 1 if line.cell_length <= width else line.get_height(RulesMap(), width)
