"""A question with a few answers; Escape means Cancel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from msgspec import Struct
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option


class Choice(Struct, frozen=True):
    """An answer."""

    key: str
    label: str


CANCEL = Choice("", "Cancel")


class ChoiceScreen(ModalScreen[str]):
    """Asks the question; returns the chosen key, empty for Cancel.

    :param body: the text; as a function it is made anew with each snapshot of the fleet.
    :param preselected: the key that Enter alone would choose.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "cancel", "cancel")]
    DEFAULT_CSS = """
    ChoiceScreen { align: center middle; }
    ChoiceScreen > Vertical { width: 76; max-width: 96%; height: auto; max-height: 92%;
                              border: round $accent; background: $surface; padding: 0 1; }
    ChoiceScreen VerticalScroll { height: auto; max-height: 14; }
    ChoiceScreen OptionList { height: auto; max-height: 8; border: none; margin-top: 1;
                              background: transparent; }
    ChoiceScreen OptionList:focus { border: none; }
    ChoiceScreen OptionList > .option-list--option-highlighted { text-style: reverse; }
    ChoiceScreen #keys { color: $foreground-muted; }
    """

    def __init__(
        self,
        title: str,
        body: Content | str | Callable[[], str],
        choices: Sequence[Choice],
        preselected: str = "",
    ) -> None:
        super().__init__()
        self._title = title
        self._body = body
        self._choices = list(choices)
        self._preselected = preselected

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = self._title
            with VerticalScroll(can_focus=False):
                body = self._body() if callable(self._body) else self._body
                yield Static(body, markup=False, id="body")
            yield OptionList(
                *(Option(c.label, c.key or "cancel") for c in self._choices), markup=False
            )
            yield Static("↑↓ choose · enter do it · esc cancel", id="keys")

    def on_mount(self) -> None:
        answers = self.query_one(OptionList)
        keys = [c.key for c in self._choices]
        answers.highlighted = keys.index(self._preselected)
        answers.focus()
        if callable(self._body):
            self.watch(self.app, "snapshot", self._renew, init=False)

    def _renew(self) -> None:
        if callable(self._body):
            self.query_one("#body", Static).update(self._body())

    @on(OptionList.OptionSelected)
    def _answered(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._choices[event.option_index].key)

    def action_cancel(self) -> None:
        self.dismiss("")
