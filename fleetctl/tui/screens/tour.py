"""The demo's tour: things to break, and what to look for then."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import on
from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList

from fleetctl.demo import Stop
from fleetctl.tui.screens.page import Page
from fleetctl.tui.tones import toned
from fleetctl.tui.widgets.rows import Rows


class TourScreen(Page):
    """Enter breaks what is under the cursor, and goes back to where that can be seen.

    :param chosen: is told what is to be broken.
    """

    DEFAULT_CSS = "TourScreen Rows { text-wrap: wrap; }"

    def __init__(self, stops: Sequence[Stop], chosen: Callable[[Stop], object]) -> None:
        super().__init__()
        self._stops = {stop.id: stop for stop in stops}
        self._tell = chosen

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
        self._tell(stop)
