"""The line in which the text is typed that the rows of a panel must contain."""

from __future__ import annotations

from typing import ClassVar, Protocol

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static


class Findable(Protocol):
    """A panel whose rows can be filtered."""

    FINDS: ClassVar[str]
    """What may be typed."""
    sought: str
    """What its rows must contain, as it was typed; empty: it shows all."""

    def find(self, text: str) -> None:
        """Show only the rows that contain ``text``, in any case of letters."""


class _Field(Input):
    ALLOW_MAXIMIZE = False


class FindLine(Horizontal):
    """Hidden until it is opened for a panel."""

    DEFAULT_CSS = """
    FindLine { height: 1; display: none; background: $boost; }
    FindLine > Static { width: auto; padding: 0 1; }
    FindLine > Input, FindLine > Input:focus { width: 1fr; height: 1; border: none; padding: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "clear", "all rows", priority=True)]

    class Closed(Message):
        """The text is kept, or taken back: the cursor belongs to the panel again."""

    def __init__(self) -> None:
        super().__init__()
        self._panel: Findable | None = None

    def compose(self) -> ComposeResult:
        yield Static("find /", markup=False)
        yield _Field(select_on_focus=False)

    def open(self, panel: Findable) -> None:
        """Type what the rows of ``panel`` must contain."""
        self._panel = panel
        field = self.query_one(Input)
        field.placeholder = panel.FINDS
        with self.prevent(Input.Changed):
            field.value = panel.sought
        field.cursor_position = len(field.value)
        self.display = True
        self.screen.set_focus(field)  # at once: the next key belongs to it

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if self._panel:
            self._panel.find(event.value.strip())

    @on(Input.Submitted)
    def _kept(self, event: Input.Submitted) -> None:
        event.stop()
        self._close()

    def action_clear(self) -> None:
        """Show all rows again."""
        if self._panel:
            self._panel.find("")
        self._close()

    def _close(self) -> None:
        self.display = False
        self.post_message(self.Closed())
