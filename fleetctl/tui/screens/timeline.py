"""The timeline: lanes over time, the events below them, and a cursor that leads to the logs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Click
from textual.geometry import Size
from textual.widget import Widget
from textual.widgets import OptionList, Static

from fleetctl.history.store import key_of
from fleetctl.model.events import Event
from fleetctl.tui import lanes as of_lanes
from fleetctl.tui.keymap import with_ids
from fleetctl.tui.past.axis import time_axis
from fleetctl.tui.screens.moving import MovingPage, moving
from fleetctl.tui.screens.past import Body
from fleetctl.tui.sheets import event_row, joined
from fleetctl.tui.tones import toned
from fleetctl.tui.widgets.rows import Rows
from fleetctl.words.events import told

MOST_EVENTS = 1000
_AXES = 2
"""Lines of the cursor's time, and of the times below."""


class TimelineScreen(MovingPage):
    """Up and down goes from event to event, left and right through time."""

    WANTED = of_lanes.WANTED
    FINDS: ClassVar[str] = "part of an event's line"
    BINDINGS: ClassVar[list[BindingType]] = with_ids(
        [
            Binding("l", "logs", "logs then"),
        ],
        "timeline.",
    ) + moving("timeline.")
    DEFAULT_CSS = """
    TimelineScreen #lanes { height: auto; max-height: 70%; text-wrap: nowrap; }
    TimelineScreen Rows { border-top: solid $panel-lighten-2; text-wrap: wrap; }
    TimelineScreen Rows:focus { border-top: solid $panel-lighten-2; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._followed = ""
        """The event that the cursor of the list was put on last."""
        self._label = 0
        self._made_for = Size(0, 0)
        """For which the lanes were made."""
        self._lanes: Sequence[of_lanes.Lane] = ()
        self._events: dict[str, Event] = {}

    def body(self) -> Widget:
        box = Body(Static(id="lanes", markup=False), Rows())
        box.border_title = f"Timeline · {of_lanes.LEGEND} · events, newest first"
        return box

    def on_mount(self) -> None:
        self.query_one(Rows).focus()
        self._take_events()
        self.watch(self.app, "events", self._events_came, init=False)

    def _events_came(self) -> None:
        self._take_events()
        self.read_again()

    def _take_events(self) -> None:
        known = {key_of(event): event for event in (*self.stretch.events, *self.app.events)}
        newest = sorted(told(known.values()), key=lambda e: e.at, reverse=True)[:MOST_EVENTS]
        self._events = {key_of(event): event for event in newest}
        self._show_events()

    def _show_events(self) -> None:
        rows = [(key, event_row(event)) for key, event in self._events.items()]
        nothing = "", toned("nothing has changed yet", "quiet")
        if self.sought:
            rows = [row for row in rows if self.has_sought(row[1].plain)]
            nothing = self.nothing_found()
        self.query_one(Rows).show(rows or [nothing])

    def refilter(self) -> None:
        self._show_events()

    async def prepare(self) -> None:
        self._take_events()
        self._lanes = await asyncio.to_thread(self._make_lanes)

    def _make_lanes(self) -> Sequence[of_lanes.Lane]:
        """With many nodes this takes long."""
        service, size = self.app.service, self.query_one(".body").content_size
        self._made_for = size
        events = list(self._events.values())
        self._label = of_lanes.label_width(service.fleet, service.job, events, size.width)
        self._wide = max(12, size.width - self._label - 1)
        room = max(6, size.height * 6 // 10) - _AXES
        return of_lanes.lanes(service.fleet, service.job, self.stretch, events, self._wide, room)

    def draw(self) -> None:
        body = self.query_one(".body")
        body.border_subtitle = Content(self.note)
        if body.content_size.width < 1:
            return
        if self._made_for != body.content_size:
            self._lanes = self._make_lanes()
        cursor, axis = self.cursor_column, time_axis(self.stretch, self._wide)
        lines = [
            Content(" " * (self._label + 1) + self.cursor_line()),
            *of_lanes.drawn(self._lanes, self._label, cursor),
            toned(" " * (self._label + 1) + axis, "quiet"),
        ]
        self.query_one("#lanes", Static).update(joined(lines))

    # the cursor

    def action_move(self, columns: int) -> None:
        """Go back or on in time; the list follows to the last event in the cursor's column, or
        before it."""
        super().action_move(columns)
        rows, stretch = self.query_one(Rows), self.stretch
        column_s = (stretch.until_s - stretch.since_s) / self._wide
        end_s = stretch.since_s + (self.cursor_column + 1) * column_s
        shown = [key for key in rows.keys if key]
        until = [k for k in shown if self._events[k].at.timestamp() <= max(end_s, self.at_s)]
        if shown:
            self._followed = (until or shown[-1:])[0]
            rows.highlighted = rows.get_option_index(self._followed)

    @on(OptionList.OptionHighlighted)
    def _moved(self, event: OptionList.OptionHighlighted) -> None:
        key = event.option_id or ""
        if key != self._followed and key in self._events:
            begin = not self._followed
            self._followed = key
            if not begin or self._cursor_s is not None:
                self.go_to(self._events[key].at.timestamp())

    @on(OptionList.OptionSelected)
    def _opened(self, event: OptionList.OptionSelected) -> None:
        if chosen := self._events.get(event.option_id or ""):
            self.app.show_logs_at(chosen.at.timestamp())

    @on(Click, "#lanes")
    def _clicked(self, event: Click) -> None:
        column = event.x - self._label - 1
        if 0 <= column < self._wide:
            part_s = (self.stretch.until_s - self.stretch.since_s) / self._wide
            self.go_to(self.stretch.since_s + (column + 0.5) * part_s)

    def action_logs(self) -> None:
        """Go to the logs at the time of the cursor."""
        self.app.show_logs_at(self.at_s)
