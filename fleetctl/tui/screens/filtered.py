"""Base of the screens whose rows can be filtered, as the dashboard's panels can be."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content

from fleetctl.tui.keymap import with_ids
from fleetctl.tui.screens.page import Page
from fleetctl.tui.tones import toned
from fleetctl.tui.widgets.find_line import FindLine
from fleetctl.tui.widgets.rows import Rows


class FilteredPage(Page):
    """Opens a line to type in; its rows are those that contain what is typed."""

    FINDS: ClassVar[str] = "part of a row"
    BINDINGS: ClassVar[list[BindingType]] = with_ids(
        [Binding("slash", "find", "filter", show=False)], "page."
    )

    def __init__(self) -> None:
        super().__init__()
        self.sought = ""
        """What rows must contain, as it was typed; empty: all are shown."""
        self._whole_title = Content()

    def compose(self) -> ComposeResult:
        body, footer = super().compose()
        yield body
        yield FindLine()
        yield footer

    def refilter(self) -> None:
        """Show the rows that contain :attr:`sought`."""
        raise NotImplementedError

    def has_sought(self, *words: str) -> bool:
        """Whether one of ``words``, which say what a row is about, contains what is sought."""
        return any(self.sought.lower() in word.lower() for word in words)

    def nothing_found(self) -> tuple[str, Content]:
        """The row that is there where no other is."""
        return "", toned(f"nothing here has {self.sought!r}; esc shows all", "quiet")

    def action_find(self) -> None:
        """Type what the rows must contain."""
        self.query_one(FindLine).open(self)

    def find(self, text: str) -> None:
        """Show only the rows that contain ``text``, in any case of letters."""
        body = self.query_one(".body")
        if not self.sought:
            self._whole_title = Content(body.border_title or "")
        self.sought = text
        with_it = f"{self._whole_title.plain} · with {text!r}"
        body.border_title = Content(with_it) if text else self._whole_title
        self.refilter()

    @on(FindLine.Closed)
    def _found(self) -> None:
        self.query_one(Rows).focus()

    def action_back(self) -> None:
        """Show all rows again; where all are shown, go back."""
        if self.sought:
            self.find("")
        else:
            super().action_back()
