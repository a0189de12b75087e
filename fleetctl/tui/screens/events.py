"""The screen of events: what changed, also before the dashboard was opened, newest first."""

from __future__ import annotations

from textual.widget import Widget

from fleetctl.model.events import Event
from fleetctl.tui.host import Host
from fleetctl.tui.screens.page import Page
from fleetctl.tui.sheets import event_row
from fleetctl.tui.tones import toned
from fleetctl.tui.widgets.rows import Rows


class EventsScreen(Page):
    """The fleet's changes."""

    app: Host
    DEFAULT_CSS = "EventsScreen Rows { text-wrap: wrap; }"

    def body(self) -> Widget:
        rows = Rows()
        rows.border_title = "Events · newest first"
        return rows

    def on_mount(self) -> None:
        self.watch(self.app, "events", self._show)

    def _show(self, events: tuple[Event, ...]) -> None:
        rows = [(str(n), event_row(change)) for n, change in reversed(list(enumerate(events)))]
        self.query_one(Rows).show(rows or [("", toned("nothing has changed yet", "quiet"))])
