"""Base of the screens of the past with a cursor in time."""

from __future__ import annotations

import time

from textual.binding import Binding, BindingType

from fleetctl.tui.keymap import with_ids
from fleetctl.tui.past.axis import column_of, moment
from fleetctl.tui.screens.past import PastPage


def moving(group: str) -> list[BindingType]:
    """The keys of the cursor, with names of a screen's own."""
    leap = (("less_than_sign", -10, "<", "back"), ("greater_than_sign", 10, ">", "on"))
    return with_ids(
        [
            Binding("left", "move(-1)", "earlier", show=False),
            Binding("right", "move(1)", "later", show=False),
            *(
                Binding(
                    key,
                    f"move({columns})",
                    "earlier" if columns < 0 else "later",
                    key_display=shown,
                    id=f"{group}leap_{way}",
                )
                for key, columns, shown, way in leap
            ),
            Binding("0", "now", "now"),
        ],
        group,
    )


class MovingPage(PastPage):
    """Left and right goes through time: what is shown follows the cursor, and + and - keep it."""

    def __init__(self) -> None:
        super().__init__()
        self._cursor_s: float | None = None
        """Where it is; None: now."""
        self._wide = 1
        """How many columns the time has."""

    @property
    def at_s(self) -> float:
        """Where the cursor is, in seconds since 1970."""
        return self.stretch.until_s if self._cursor_s is None else self._cursor_s

    @property
    def cursor_column(self) -> int:
        """Where the cursor is drawn."""
        place = column_of(self.at_s, self.stretch, self._wide)
        if place is None:
            return 0 if self.at_s < self.stretch.since_s else self._wide - 1
        return place

    def cursor_line(self) -> str:
        """The cursor with its time, as long as all columns at most."""
        column = self.cursor_column
        said = "now" if self._cursor_s is None else moment(self.at_s, self.span_s, seconds=True)
        left = column + 2 + len(said) > self._wide
        text = f"{said} ▼".rjust(column + 1) if left else " " * column + f"▼ {said}"
        return text[-self._wide :]

    def action_move(self, columns: int) -> None:
        """Go back or on in time."""
        part_s = (self.stretch.until_s - self.stretch.since_s) / self._wide
        self.go_to(self.at_s + columns * part_s)

    def action_now(self) -> None:
        """Go back to the present, which goes on."""
        moved, self._cursor_s, self.until_s = self.until_s is not None, None, None
        if moved:
            self.read()
        self.draw()

    def go_to(self, at_s: float) -> None:
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
