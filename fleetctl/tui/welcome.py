"""The screen without a nodes.yaml: offers the demo, or an example file."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

DEMO, EXAMPLE = "demo", "example"


class WelcomeApp(App[str]):
    """Returns :data:`DEMO`, :data:`EXAMPLE` or nothing.

    :param searched: a sentence about where nodes.yaml was looked for.
    :param example: where an example would be written.
    """

    TITLE = "fleetctl"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,ctrl+c", "leave", "leave")]
    CSS = """
    WelcomeApp Screen { align: center middle; }
    #box { width: 76; max-width: 100%; height: auto; border: round $accent; padding: 1 2; }
    #box OptionList { height: auto; border: none; margin: 1 0; background: transparent; }
    #box OptionList:focus { border: none; }
    #box OptionList > .option-list--option-highlighted { text-style: reverse; }
    #keys { color: $foreground-muted; }
    """

    def __init__(self, searched: str, example: Path) -> None:
        super().__init__()
        self._searched = searched
        self._example = example

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            box.border_title = "Welcome to fleetctl"
            yield Static(
                "fleetctl starts, watches and repairs the jobs of a small cluster. What your "
                "cluster is made of stands in a file.\n\n"
                f"{self._searched}",
                markup=False,
            )
            yield OptionList(
                Option("See the demo: a virtual cluster with a job to watch and to break", DEMO),
                Option(f"Write an example to {self._example}, to change it to yours", EXAMPLE),
                Option("Leave", "leave"),
                markup=False,
            )
            yield Static("↑↓ choose · enter do it · q leave", id="keys")

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.exit(event.option_id if event.option_id != "leave" else None)

    def action_leave(self) -> None:
        """Do nothing."""
        self.exit(None)
