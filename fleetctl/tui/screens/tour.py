"""The demo's tour: things to break, and what to look for then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on
from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList

from fleetctl.demo import Stop
from fleetctl.tui.screens.page import Page
from fleetctl.tui.tones import toned
from fleetctl.tui.widgets.rows import Rows

if TYPE_CHECKING:
    from fleetctl.tui.app import FleetApp


class TourScreen(Page):
    """Enter breaks what is under the cursor, and goes back to where that can be seen."""

    app: FleetApp
    DEFAULT_CSS = "TourScreen Rows { text-wrap: wrap; }"

    def __init__(self, stops: Sequence[Stop]) -> None:
        super().__init__()
        self._stops = {stop.id: stop for stop in stops}

    def body(self) -> Widget:
        rows = Rows()
        rows.border_title = "Tour · enter breaks it, in the demo's fleet only"
        return rows

    def on_mount(self) -> None:
        self.query_one(Rows).show(
            [
                (
                    stop.id,
                    Content.assemble(
                        (f"{number}. {stop.title}", "bold"), "\n   ", toned(stop.remedy, "quiet")
                    ),
                )
                for number, stop in enumerate(self._stops.values(), 1)
            ]
        )

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        stop = self._stops[event.option_id or ""]
        self.dismiss()
        self.app.guide.break_it(stop)
