"""A screen over the dashboard: a title, a body that scrolls, the keys, Escape to go back."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget

from fleetctl.tui.keymap import with_ids
from fleetctl.tui.screens.covered import Coverable
from fleetctl.tui.widgets.key_line import KeyLine


class Page(Coverable[None]):
    """Base of the screens that open over the dashboard."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back"),
        *with_ids(
            [
                Binding("q", "back", "back"),
                Binding("j", "down", show=False),
                Binding("k", "up", show=False),
                Binding("question_mark", "app.help", "help", show=False),
            ],
            "page.",
        ),
    ]
    DEFAULT_CSS = """
    Page > .body { border: round $accent; border-title-color: $text; padding: 0 1; height: 1fr; }
    Page > VerticalScroll.body { scrollbar-size-vertical: 1; }
    """

    def body(self) -> Widget:
        """The widget that fills the screen."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        body = self.body()
        body.add_class("body")
        yield body
        yield KeyLine()

    def on_mount(self) -> None:
        self.query_one(".body").focus()

    def action_back(self) -> None:
        """Go back to the screen below."""
        self.dismiss()

    def action_down(self) -> None:
        for body in self.query(VerticalScroll):
            body.scroll_down(animate=False)

    def action_up(self) -> None:
        for body in self.query(VerticalScroll):
            body.scroll_up(animate=False)
