"""A question with a few answers; Escape means Cancel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, cast

from msgspec import Struct
from rich.console import RenderableType
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from fleetctl.tui.host import Host
from fleetctl.tui.keymap import with_ids
from fleetctl.tui.screens.covered import Dimmed
from fleetctl.tui.widgets.find_line import FindLine


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

    app: Host
    FINDS: ClassVar[str] = ""
    """What may be typed to filter the answers; empty: they are not filtered."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel"),
        *with_ids([Binding("q", "cancel"), Binding("slash", "find", "filter")], "choice."),
    ]
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
        self.sought = ""
        """What answers must contain."""
        self._below: Dimmed | None = None
        """What lies below, as it was drawn last."""

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = self._title
            with VerticalScroll(can_focus=False):
                body = self._body() if callable(self._body) else self._body
                yield Static(body, markup=False, id="body")
            yield OptionList(*self._options(), markup=False)
            yield FindLine()
            find = f" · {self.app.key_of('choice.find')} filter" if self.FINDS else ""
            yield Static(f"↑↓ choose · enter do it{find} · esc cancel", id="keys")

    def _options(self) -> Iterator[Option]:
        for choice in self._choices:
            if self.sought.lower() in choice.label.lower():
                yield Option(choice.label, choice.key or "cancel")

    def render(self) -> RenderableType:
        """The screen below, dimmed."""
        if self._below is None:
            stack = self.app.screen_stack
            self._below = Dimmed(stack[stack.index(self) - 1], self.styles.background)
        return cast("RenderableType", self._below)  # the base knows no other

    def on_mount(self) -> None:
        answers = self.query_one(OptionList)
        keys = [c.key for c in self._choices]
        answers.highlighted = keys.index(self._preselected)
        answers.focus()
        self.watch(self.app, "snapshot", self._renew, init=False)

    def _renew(self) -> None:
        self._below = None
        self.refresh()
        if callable(self._body):
            self.query_one("#body", Static).update(self._body())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Filter where it helps."""
        return bool(self.FINDS) if action == "find" else True

    def action_find(self) -> None:
        """Type what the answers must contain."""
        self.query_one(FindLine).open(self)

    def find(self, text: str) -> None:
        """Offer only the answers that contain ``text``, in any case of letters."""
        self.sought = text
        answers = self.query_one(OptionList)
        answers.set_options(self._options())
        answers.highlighted = 0 if answers.option_count else None

    @on(FindLine.Closed)
    def _found(self) -> None:
        self.query_one(OptionList).focus()

    @on(OptionList.OptionSelected)
    def _answered(self, event: OptionList.OptionSelected) -> None:
        key = event.option_id or ""
        self.dismiss(next((c.key for c in self._choices if c.key == key), ""))

    def action_cancel(self) -> None:
        """Offer all answers again; where all are offered, choose none."""
        if self.sought:
            self.find("")
        else:
            self.dismiss("")


class FilteredChoiceScreen(ChoiceScreen):
    """Of answers that may be many."""

    FINDS: ClassVar[str] = "part of a line"
