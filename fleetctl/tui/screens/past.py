"""Base of the screens that show what was so far: how much of it, and reading it again."""

from __future__ import annotations

import time
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.geometry import Size
from textual.worker import Worker

from fleetctl.tui.background import in_background
from fleetctl.tui.host import Host
from fleetctl.tui.keymap import with_ids
from fleetctl.tui.past.stretch import Stretch, Wanted
from fleetctl.tui.screens.filtered import FilteredPage
from fleetctl.undertakings import Snapshot

SPANS_S = (600, 1800, 7200, 21_600, 86_400, 604_800)
"""How much is shown, in seconds; + and - choose."""
USUAL_S = 7200
"""How much at first; less where all that is known is younger."""
_AGAIN_S = 10.0
"""How often it is read again."""


def span_words(span_s: float) -> str:
    """``10 min``, ``2 h``, ``7 d``."""
    for unit, word in ((86_400, "d"), (3600, "h")):
        if span_s >= unit:
            return f"{span_s / unit:g} {word}"
    return f"{span_s / 60:g} min"


def fitting(stretch: Stretch) -> int:
    """The shortest of :data:`SPANS_S` with all that is known of ``stretch``; at most the usual."""
    first = [points[0].at_s for points in stretch.points.values() if points]
    first += [at_s for event in stretch.events if (at_s := event.at.timestamp()) >= stretch.since_s]
    known_s = stretch.until_s - min(first, default=stretch.since_s)
    return next((span_s for span_s in SPANS_S if known_s <= span_s < USUAL_S), USUAL_S)


class Body(Vertical):
    """Has its page drawn again when its size is another one."""

    _drawn_for = Size(0, 0)

    def on_resize(self) -> None:
        page = self.screen
        if isinstance(page, PastPage) and self.size != self._drawn_for:
            self._drawn_for = self.size
            page.call_after_refresh(page.draw)


class PastPage(FilteredPage):
    """Reads a stretch of the past, and draws it with the app's newest snapshot."""

    app: Host
    WANTED: ClassVar[Wanted] = {}
    BINDINGS: ClassVar[list[BindingType]] = with_ids(
        [
            Binding("plus,equals_sign", "span(-1)", "shorter", key_display="+"),
            Binding("minus", "span(1)", "longer", key_display="-"),
        ],
        "past.",
    )

    def __init__(self) -> None:
        super().__init__()
        self.span_s = USUAL_S
        self._fits = True
        """It is as long as what is known, until another length is chosen."""
        self.until_s: float | None = None
        """The end of what is shown; None: now, which goes on."""
        self.stretch = Stretch(0.0, 1.0, note="reading …")
        self._reading: Worker[None] | None = None

    def draw(self) -> None:
        """Draw :attr:`stretch` and the app's snapshot."""
        raise NotImplementedError

    def on_mount(self) -> None:
        self.watch(self.app, "snapshot", self._snapshot_came, init=False)
        self.set_interval(_AGAIN_S, self.read_again)
        self.read()

    def _snapshot_came(self, before: Snapshot | None, now: Snapshot | None) -> None:
        if self.app.screen is not self:
            return
        if before is None:
            self.read_again()
        self.draw()

    def on_screen_resume(self) -> None:
        if self._reading:
            self.read_again()
            self.draw()

    def read(self) -> None:
        """Read it again, in the background; what is being read for another stretch is left."""
        self._reading = in_background(
            self, self._read(), title="history", group="past", exclusive=True
        )

    def read_again(self) -> None:
        """So that a reading that takes long comes to its end."""
        if self.app.screen is self and (self._reading is None or self._reading.is_finished):
            self.read()

    async def _read(self) -> None:
        until_s = time.time() if self.until_s is None else self.until_s
        fits = self._fits and self.until_s is None
        span_s = USUAL_S if fits else self.span_s
        found = await self.app.past(until_s - span_s, until_s, self.WANTED)
        if fits and (fit_s := fitting(found)) != span_s:
            span_s = fit_s
            found = await self.app.past(until_s - span_s, until_s, self.WANTED)
        self.span_s, self.stretch = span_s, found
        await self.prepare()
        self.draw()

    def refilter(self) -> None:
        self.draw()

    async def prepare(self) -> None:
        """Make of :attr:`stretch` what is drawn; what takes long in a thread."""

    def action_span(self, step: int) -> None:
        """Show more of the past, or less."""
        self._fits = False
        place = SPANS_S.index(self.span_s) + step
        self.span_s = SPANS_S[min(max(place, 0), len(SPANS_S) - 1)]
        self.read()

    @property
    def note(self) -> str:
        """How much is shown, and what it lacks."""
        return " · ".join(filter(None, (span_words(self.span_s), self.stretch.note)))
