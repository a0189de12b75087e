"""The logs of all instances: followed, filtered, searched, copied and saved."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.timer import Timer

from fleetctl.errors import FleetctlError, UsageError
from fleetctl.logs.buffer import LIMIT_BYTES, LogBuffer
from fleetctl.logs.events import LogEvent
from fleetctl.logs.matching import texts
from fleetctl.logs.view import LogView
from fleetctl.tui.background import in_background
from fleetctl.tui.logs.ask import LogAsk
from fleetctl.tui.logs.asked_filter import AskedFilter, asked
from fleetctl.tui.logs.lines import LogLines
from fleetctl.tui.logs.log_keys import LOG_KEYS
from fleetctl.tui.logs.saving import lines_of, save
from fleetctl.tui.logs.searching import Search
from fleetctl.tui.messages import CursorMoved

REDRAW_S = 0.1
"""The shortest time between two redraws."""
_SLICE_S = 0.004
"""Of filtering or searching at a time. The steps from key to screen each wait for one at most."""
_BREATH_S = 0.002
_LONG_BREATH_S = 0.05
"""After the filter was edited: its first result is drawn before the rest is filtered."""
_MOST_CONTEXT = 50


class LogPanel(Vertical):
    """Shows the log events given to :meth:`take`.

    :param names: of the instances, in the order in which they are shown.
    :param limit_bytes: of all lines together; the oldest are dropped first.
    """

    DEFAULT_CSS = """
    LogPanel { border: round $panel-lighten-2; border-title-color: $foreground-muted; height: 1fr; }
    LogPanel:focus-within { border: round $accent; border-title-color: $text; }
    """
    ALLOW_MAXIMIZE = True
    BINDINGS = LOG_KEYS

    class Saved(Message):
        """The lines of the view are in a file."""

        def __init__(self, path: Path, lines: int) -> None:
            super().__init__()
            self.path = path
            self.lines = lines

    def __init__(
        self,
        names: Sequence[str],
        *,
        limit_bytes: int = LIMIT_BYTES,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._names = tuple(names)
        self._chosen: tuple[str, ...] | None = None
        self._buffer = LogBuffer(names, limit_bytes)
        self._view = LogView(self._buffer)
        self._lines = LogLines(self._buffer, self._view, self._names, self._entitle)
        self._filter = AskedFilter()
        self._context_lines = 0
        self._search = Search()
        self._drawn_s = 0.0
        self._redraw: Timer | None = None
        self._slice: Timer | None = None
        self._filtering = False
        self._titled = ""

    def compose(self) -> ComposeResult:
        yield self._lines
        yield LogAsk()

    def on_mount(self) -> None:
        self._entitle()
        self._work_on()

    # For the application

    def take(self, events: Sequence[LogEvent]) -> None:
        """Add ``events``; draws at most every :data:`REDRAW_S`, and only what has changed."""
        changes = self._buffer.take(events)
        if self._view.update(changes) or changes.tails:
            self._draw_soon()

    def show(self, instances: Sequence[str] | None) -> None:
        """Show only these instances; ``None``: all of them, merged."""
        chosen = None if instances is None else tuple(n for n in self._names if n in instances)
        if chosen == self._chosen:
            return
        self._chosen = chosen
        self._filter = self._asked(self._filter.text)
        self._choose()
        self._refilter()
        self.post_message(CursorMoved())

    def _asked(self, text: str) -> AskedFilter:
        """:raises UsageError: it is no regular expression."""
        shown = self._names if self._chosen is None else self._chosen
        return asked(text, self._names, shown if len(shown) > 1 else ())

    def _choose(self) -> None:
        """Show the instances that are chosen, of them those that the filter picks."""
        picked, chosen = self._filter.instances, self._chosen
        if picked is not None:
            chosen = tuple(n for n in picked if chosen is None or n in chosen)
        self._view.choose(chosen)
        self._lines.set_names(self._names if chosen is None else chosen)

    @property
    def buffer(self) -> LogBuffer:
        """The lines that are held."""
        return self._buffer

    @property
    def shown(self) -> tuple[str, ...] | None:
        """The instances that are shown; ``None``: all."""
        return self._chosen

    @property
    def instance(self) -> str | None:
        """The one that is shown alone, else that of the line which was pointed at."""
        if self._chosen is not None and len(self._chosen) == 1:
            return self._chosen[0]
        here = self._lines.here
        return here.chunk.instance if here else None

    def last_lines(self, instance: str, number: int) -> list[str]:
        """The newest lines of one log, without colours; none of an instance without a log."""
        found: list[str] = []
        chunks = self._buffer.chunks(instance) if instance in self._names else ()
        for chunk in reversed(list(chunks)):
            if not chunk.mark:
                found = [*texts(chunk).split("\n")[-number:], *found][-number:]
            if len(found) >= number:
                break
        return found

    def focus(self, scroll_visible: bool = True) -> Self:
        """Focus the lines."""
        self._lines.focus(scroll_visible)
        return self

    # Drawing

    def _draw_soon(self) -> None:
        if self._redraw is None and self.is_attached:
            wait_s = max(_BREATH_S, self._drawn_s + REDRAW_S - time.monotonic())
            self._redraw = self.set_timer(wait_s, self._draw)

    def _draw(self) -> None:
        self._redraw = None
        self._drawn_s = time.monotonic()
        settling = self._look_on()
        if settling:
            self._lines.settle()
        else:
            self._lines.came()
        self._work_on()

    def _changed_view(self) -> None:
        """Another filter or other instances: draw everything again."""
        self._filtering = self._view.pending
        self._search.give_up()
        self._look_on()
        self._lines.redraw()
        self._work_on(_LONG_BREATH_S)

    def _look_on(self) -> bool:
        """Filter some more lines, if any are left.

        :returns: whether they were left from a change of the filter, and are not new lines.
        """
        settling = self._filtering
        if self._view.pending:
            self._view.work(_SLICE_S)
        self._filtering = settling and self._view.pending
        return settling

    def _work_on(self, wait_s: float = _BREATH_S) -> None:
        """Go on filtering or searching, a slice at a time, so that keys are handled in between."""
        if (
            self._slice is None
            and self.is_attached
            and (self._view.pending or self._search.goes_on)
        ):
            self._slice = self.set_timer(wait_s, self._work)

    def _work(self) -> None:
        self._slice = None
        if self._view.pending:
            if self._look_on() and not self._filtering:
                self._lines.settle()
            else:
                self._draw_soon()
        elif self._search.goes_on:
            self._find_on()
        self._work_on()

    def _entitle(self) -> None:
        title = self._title()
        if self._titled != title:
            self._titled = title
            self.border_title = Content(title)  # it may hold [brackets]

    def _title(self) -> str:
        chosen = self._chosen
        if chosen is None:
            names = "all"
        elif len(chosen) <= 2:
            names = ", ".join(chosen) or "none"
        else:
            names = f"{len(chosen)} of {len(self._names)}"
        parts = ["Logs", names]
        if self._lines.following:
            parts.append("following")
        else:
            parts.append("paused")
            if self._view.fresh:
                parts.append(f"{self._view.fresh:,} new")
        of = "…" if self._view.pending and self._filtering else f"{self._view.held:,}"
        filtered = self._filter.title(self._view.matched, of, self._context_lines)
        parts += filter(None, [filtered, self._search.title])
        return " · ".join(parts)

    # Keys

    def action_pause(self) -> None:
        if self._lines.following:
            self._lines.pause()
        else:
            self._lines.action_follow()

    def action_cycle(self, step: int) -> None:
        """All, then each instance alone, then all again."""
        stops: list[tuple[str, ...] | None] = [None, *((name,) for name in self._names)]
        place = stops.index(self._chosen) if self._chosen in stops else 0
        self.show(stops[(place + step) % len(stops)])

    def action_wrap(self) -> None:
        self._lines.set_wrap(not self._lines.wrap)

    def action_times(self) -> None:
        self._lines.set_times(not self._lines.times)

    def action_by_time(self, minutes: int) -> None:
        """Go to what was written a minute before, or after; times are shown from then on."""
        if not self._lines.times:
            self._lines.set_times(True)
        self._lines.go_by_time(60.0 * minutes)
        self.post_message(CursorMoved())

    def go_to_time(self, at_s: float) -> None:
        """Go to the first line that was written at that time, or after it; says so where what is
        held begins later."""
        self._lines.set_times(True)
        at = f"{datetime.fromtimestamp(at_s, UTC).astimezone():%H:%M:%S}"
        first = self._view.from_time(0.0)
        if first is None or not self._lines.go_to_time(at_s):
            self.notify(f"Nothing was printed since {at}.", title="Logs")
        elif first.chunk.at > at_s:
            minutes = math.ceil((time.time() - at_s) / 60)
            rest = f"fleetctl logs --since {minutes}m has the rest."
            self.notify(f"What is held here begins after {at}; {rest}", title="Logs")
        self.post_message(CursorMoved())

    @on(LogLines.Pointed)
    def _pointed(self, event: LogLines.Pointed) -> None:
        event.stop()
        if event.opened:
            self.show((event.instance,))
        self.post_message(CursorMoved())

    def action_context(self, step: int) -> None:
        if self._filter.lines:
            self._context_lines = min(max(0, self._context_lines + step), _MOST_CONTEXT)
            self._refilter()

    def action_filter(self) -> None:
        self.query_one(LogAsk).open("filter", self._filter.text)

    def action_search(self) -> None:
        self.query_one(LogAsk).open("search", self._search.text)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """With nothing to clear, Escape is left to other widgets."""
        return action != "clear" or bool(self._search.pattern or self._filter.text)

    def action_clear(self) -> None:
        self.screen.clear_selection()
        if self._search.pattern:
            self._set_search("")
        elif self._filter.text:
            self._set_filter("")

    def action_copy(self) -> None:
        text = self.screen.get_selected_text() or self._lines.visible_text
        self.app.copy_to_clipboard(text)

    # Filter and search

    @on(LogAsk.Typed)
    def _typed(self, event: LogAsk.Typed) -> None:
        event.stop()
        ask = self.query_one(LogAsk)
        try:
            (self._set_filter if event.kind == "filter" else self._set_search)(event.text)
        except UsageError as error:
            ask.wrong(str(error))
        else:
            ask.wrong("")

    @on(LogAsk.Kept)
    def _kept(self, event: LogAsk.Kept) -> None:
        event.stop()
        self._lines.focus()
        if event.kind == "search" and self._search.pattern:
            self.action_find(False)

    def _set_filter(self, text: str) -> None:
        """:raises UsageError: it is no regular expression."""
        before, self._filter = self._filter, self._asked("" if text == "!" else text)
        if before.instances != self._filter.instances:
            self._choose()
        self._refilter()

    def _refilter(self) -> None:
        lines = self._filter.lines
        self._view.keep(lines, self._context_lines if lines else 0)
        self._changed_view()

    def _set_search(self, text: str) -> None:
        """:raises UsageError: it is no regular expression."""
        self._search = Search(text)
        self._lines.set_search(self._search.pattern)

    def action_find(self, forward: bool) -> None:
        """Go to the next or previous match."""
        if self._search.pattern is None:
            self.action_search()
            return
        start = self._lines.here
        if start is None and (bottom := self._lines.bottom):
            # first search: begin with the line at the bottom of the screen
            start = bottom if forward else next(self._view.after(bottom), None)
        self._search.begin(self._view, start, forward=forward)
        self._find_on()
        self._work_on()

    def _find_on(self) -> None:
        if found := self._search.work(_SLICE_S):
            self._lines.jump(found)
        elif not self._search.goes_on:
            self._entitle()

    # Saving

    def action_save(self) -> None:
        """Write all lines of the view to a new file in the current folder."""
        if self._filtering:
            self.notify("still filtering; save again in a moment", title="Logs")
            return
        label = self._chosen[0] if self._chosen and len(self._chosen) == 1 else "all"
        if self._chosen and len(self._chosen) > 1:
            label = f"{len(self._chosen)}-instances"
        names = self._names if self._chosen is None else self._chosen
        lines = lines_of(self._view.everything(), names, times=self._lines.times)

        in_background(self, self._save(lines, label), title="Logs", group="log-saving")

    async def _save(self, lines: Iterable[str], label: str) -> None:
        try:
            path, count = await asyncio.to_thread(save, lines, Path(), label)
        except OSError as error:
            raise FleetctlError(
                f"the lines cannot be saved in the current folder: {error.strerror}"
            ) from None
        self.notify(f"{count:,} lines saved in {path.resolve()}", title="Logs")
        self.post_message(self.Saved(path.resolve(), count))
