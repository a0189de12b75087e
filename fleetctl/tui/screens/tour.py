"""The demo's tour: things to break, and what to look for then."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import on
from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList

from fleetctl.demo import Scenario
from fleetctl.tui.screens.page import Page
from fleetctl.tui.tones import toned
from fleetctl.tui.widgets.rows import Rows


class TourScreen(Page):
    """Enter breaks what is under the cursor, and goes back to the dashboard.

    :param chosen: called with the chosen scenario.
    """

    DEFAULT_CSS = "TourScreen Rows { text-wrap: wrap; }"

    def __init__(self, scenarios: Sequence[Scenario], chosen: Callable[[Scenario], object]) -> None:
        super().__init__()
        self._scenarios = {scenario.id: scenario for scenario in scenarios}
        self._tell = chosen

    def body(self) -> Widget:
        rows = Rows()
        rows.border_title = "Tour · enter breaks it, in the demo's fleet only"
        return rows

    def on_mount(self) -> None:
        self.query_one(Rows).show(
            [
                (
                    scenario.id,
                    Content.assemble(
                        (f"{number}. {scenario.title}", "bold"),
                        "\n   ",
                        toned(scenario.remedy, "quiet"),
                    ),
                )
                for number, scenario in enumerate(self._scenarios.values(), 1)
            ]
        )

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        scenario = self._scenarios[event.option_id or ""]
        self.dismiss()
        self._tell(scenario)
