"""The timeline: lanes over time, the events below them, and a cursor that leads to the logs."""

from __future__ import annotations

import asyncio
import time
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
from fleetctl.tui.past.axis import column_of, moment, time_axis
from fleetctl.tui.screens.past import Body, PastPage
from fleetctl.tui.sheets import event_row, joined
from fleetctl.tui.tones import toned
from fleetctl.tui.widgets.rows import Rows
from fleetctl.words.events import told

MOST_EVENTS = 1000
_AXES = 2
"""Lines of the cursor's time, and of the times below."""


class TimelineScreen(PastPage):
    """Up and down goes from event to event, left and right through time."""

    WANTED = of_lanes.WANTED
    FINDS: ClassVar[str] = "part of an event's line"
    BINDINGS: ClassVar[list[BindingType]] = with_ids(
        [
            Binding("l", "logs", "logs then"),
            Binding("left", "move(-1)", "earlier", show=False),
            Binding("right", "move(1)", "later", show=False),
            Binding(
                "less_than_sign", "move(-10)", "earlier", key_display="<", id="timeline.leap_back"
            ),
            Binding(
                "greater_than_sign", "move(10)", "later", key_display=">", id="timeline.leap_on"
            ),
            Binding("0", "now", "now"),
        ],
        "timeline.",
    )
    DEFAULT_CSS = """
    TimelineScreen #lanes { height: auto; max-height: 70%; text-wrap: nowrap; }
    TimelineScreen Rows { border-top: solid $panel-lighten-2; text-wrap: wrap; }
    TimelineScreen Rows:focus { border-top: solid $panel-lighten-2; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._cursor_s: float | None = None
        """Where it is; None: now."""
        self._followed = ""
        """The event that the cursor of the list was put on last."""
        self._label = 0
        self._wide = 1
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
        cursor, axis = self._column, time_axis(self.stretch, self._wide)
        lines = [
            self._cursor_line(cursor),
            *of_lanes.drawn(self._lanes, self._label, cursor),
            toned(" " * (self._label + 1) + axis, "quiet"),
        ]
        self.query_one("#lanes", Static).update(joined(lines))

    @property
    def at_s(self) -> float:
        """Where the cursor is, in seconds since 1970."""
        return self.stretch.until_s if self._cursor_s is None else self._cursor_s

    @property
    def _column(self) -> int:
        place = column_of(self.at_s, self.stretch, self._wide)
        if place is None:
            return 0 if self.at_s < self.stretch.since_s else self._wide - 1
        return place

    def _cursor_line(self, column: int) -> Content:
        """The cursor with its time, above the lanes."""
        said = "now" if self._cursor_s is None else moment(self.at_s, self.span_s, seconds=True)
        left = column + 2 + len(said) > self._wide
        text = f"{said} ▼".rjust(column + 1) if left else " " * column + f"▼ {said}"
        return Content(" " * (self._label + 1) + text[-self._wide :])

    # the cursor

    def action_move(self, columns: int) -> None:
        """Go back or on in time; the list follows to the last event until then."""
        part_s = (self.stretch.until_s - self.stretch.since_s) / self._wide
        self._go_to(self.at_s + columns * part_s)
        shown = self.query_one(Rows).keys
        until = [k for k in shown if k and self._events[k].at.timestamp() <= self.at_s]
        if until:
            rows = self.query_one(Rows)
            self._followed = until[0]
            rows.highlighted = rows.get_option_index(until[0])

    def action_now(self) -> None:
        """Go back to the present, which goes on."""
        moved, self._cursor_s, self.until_s = self.until_s is not None, None, None
        if moved:
            self.read()
        self.draw()

    def _go_to(self, at_s: float) -> None:
        """Put the cursor at that time; what is shown moves with it."""
        now_s = time.time()
        if at_s >= now_s:
            self.action_now()
            return
        self._cursor_s = at_s
        if not self.stretch.since_s <= at_s <= self.stretch.until_s:
            self.until_s = at_s + self.span_s / 2
            if self.until_s >= now_s:
                self.until_s = None
            self.read()
        self.draw()

    def action_span(self, step: int) -> None:
        """Show more, or less, around the cursor."""
        super().action_span(step)
        if self._cursor_s is not None:
            until_s = self._cursor_s + self.span_s / 2
            self.until_s = until_s if until_s < time.time() else None
            self.read()

    @on(OptionList.OptionHighlighted)
    def _moved(self, event: OptionList.OptionHighlighted) -> None:
        key = event.option_id or ""
        if key != self._followed and key in self._events:
            begin = not self._followed
            self._followed = key
            if not begin or self._cursor_s is not None:
                self._go_to(self._events[key].at.timestamp())

    @on(OptionList.OptionSelected)
    def _opened(self, event: OptionList.OptionSelected) -> None:
        if chosen := self._events.get(event.option_id or ""):
            self.app.show_logs_at(chosen.at.timestamp())

    @on(Click, "#lanes")
    def _clicked(self, event: Click) -> None:
        column = event.x - self._label - 1
        if 0 <= column < self._wide:
            part_s = (self.stretch.until_s - self.stretch.since_s) / self._wide
            self._go_to(self.stretch.since_s + (column + 0.5) * part_s)

    def action_logs(self) -> None:
        """Go to the logs at the time of the cursor."""
        self.app.show_logs_at(self.at_s)
