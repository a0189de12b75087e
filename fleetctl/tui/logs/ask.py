"""The input line below the logs, for a filter or a search."""

from __future__ import annotations

from typing import ClassVar, Literal

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

Kind = Literal["filter", "search"]


class LogAsk(Horizontal):
    """Hidden until it is opened."""

    DEFAULT_CSS = """
    LogAsk { height: 1; width: 1fr; display: none; }
    LogAsk > Static { width: auto; max-width: 50%; height: 1; }
    LogAsk > #log-ask-wrong { color: $text-error; text-style: bold; }
    LogAsk > Input { width: 1fr; min-width: 6; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear", "Clear", priority=True),
    ]

    class Typed(Message):
        """The text changed."""

        def __init__(self, kind: Kind, text: str) -> None:
            super().__init__()
            self.kind: Kind = kind
            self.text = text

    class Kept(Message):
        """Enter was pressed: the text is kept and the line is closed."""

        def __init__(self, kind: Kind) -> None:
            super().__init__()
            self.kind: Kind = kind

    def __init__(self) -> None:
        super().__init__()
        self._kind: Kind = "filter"
        self._why = ""

    def compose(self) -> ComposeResult:
        yield Static(id="log-ask-kind")
        yield Input(compact=True, select_on_focus=False)
        yield Static(id="log-ask-wrong")

    def open(self, kind: Kind, text: str) -> None:
        """Show the line with ``text`` in it, and focus it."""
        self._kind = kind
        self.query_one("#log-ask-kind", Static).update(Content(f"{kind} / "))
        self.wrong("")
        self.display = True
        line = self.query_one(Input)
        with self.prevent(Input.Changed):
            line.value = text
        line.cursor_position = len(text)
        line.focus()

    def wrong(self, why: str) -> None:
        """Show what is wrong with the text; nothing when ``why`` is empty."""
        if why == self._why:  # updating a label lays out the whole screen
            return
        self._why = why
        self.query_one("#log-ask-wrong", Static).update(Content(f" {why}" if why else ""))

    def action_clear(self) -> None:
        """Remove the filter or search."""
        self.post_message(self.Typed(self._kind, ""))
        self._close()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Typed(self._kind, event.value))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._close()

    def _close(self) -> None:
        self.display = False
        self.post_message(self.Kept(self._kind))
