"""The screen of a start or stop: a timeline for each instance."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget

from fleetctl.marks import mark
from fleetctl.model.progress import Progress
from fleetctl.tui.host import Host
from fleetctl.tui.job_action import JobAction
from fleetctl.tui.keymap import with_ids
from fleetctl.tui.screens.page import Page
from fleetctl.tui.tones import state, toned
from fleetctl.tui.widgets.rows import Rows

_TICK_S = 0.5
_BARS = {"waiting": "·", "starting": "─", "running": "━", "ready": "█", "restarting": "↻"}


class ActionScreen(Page):
    """The progress of each instance; Escape leaves the screen, and the action goes on."""

    app: Host
    BINDINGS: ClassVar[list[BindingType]] = with_ids(
        [
            Binding("x", "end", "end it"),
        ],
        "action.",
    )
    DEFAULT_CSS = "ActionScreen Rows { text-wrap: wrap; }"

    def __init__(self) -> None:
        super().__init__()
        self._ticks: Timer | None = None
        self._can_end = False

    def body(self) -> Widget:
        return Rows()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only a start can be ended."""
        going_on = self.app.job_action
        return bool(going_on and going_on.starting) if action == "end" else True

    def action_end(self) -> None:
        """Ask how the start is to end."""
        self.app.action_stop()

    def on_mount(self) -> None:
        self._ticks = self.set_interval(_TICK_S, self._draw)
        self.watch(self.app, "job_action", self._draw)

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        action = self.app.job_action
        if action is None or self._ticks is None:
            return
        if action.ended:
            self._ticks.pause()
        else:
            self._ticks.resume()
        elapsed_s = time.monotonic() - self.app.action_began_s
        rows = self.query_one(Rows)
        rows.show(action_rows(action, elapsed_s, self.size.width - 4))
        end = self.app.key_of("action.end")
        note = f" · {end} ends it, esc leaves it going on" if action.starting else ""
        if not action.ended and not action.starting:
            note = " · esc leaves it going on"
        title = f"{action.summary[0].upper()}{action.summary[1:]}{note}"
        if rows.border_title != title:
            rows.border_title = title
        if self._can_end != action.starting:
            self._can_end = action.starting
            self.refresh_bindings()


def action_rows(action: JobAction, elapsed_s: float, width: int) -> list[tuple[str, Content]]:
    """A row for each instance."""
    names = max(map(len, action.targets), default=0)
    bar = max(8, min(40, width - names - 24))
    rows = []
    last_s = max((s[-1].elapsed_s for s in action.steps.values()), default=0.0)
    total_s = max(last_s, 0.1) if action.ended else max(elapsed_s, 0.1)
    for name in action.targets:
        steps = action.steps.get(name, ())
        end_s = steps[-1].elapsed_s if action.settled(name) else total_s
        reason = steps[-1].reason if steps else None
        said = steps[-1].last_lines if steps else ()
        rows.append(
            (
                name,
                Content.assemble(
                    name.ljust(names + 2),
                    timeline(steps, total_s, bar),
                    f" {end_s:5.1f}s ",
                    state(action.state_of(name)),
                    f"  {reason}" if reason else "",
                    *(toned(f"\n    {line}", "quiet") for line in said),
                ),
            )
        )
    if action.error:
        rows.append(("error", Content.assemble("\n", toned(action.error, "bad"))))
    return rows


def timeline(steps: Sequence[Progress], total_s: float, width: int) -> Content:
    """One character per slice of time, for the state at its end; never by colour alone."""
    parts = []
    for place in range(width):
        at_s = (place + 1) * total_s / width
        before = [s for s in steps if s.elapsed_s <= at_s]
        if not before:
            parts.append(toned("·", "quiet"))
            continue
        step = before[-1]
        sign = _BARS.get(step.state, mark(step.state).symbol)
        parts.append(toned(sign, mark(step.state).tone))
    return Content("").join(parts)
