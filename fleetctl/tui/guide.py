"""The demo's guide: breaks things on request, says what to look for, mends them."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from fleetctl import demo
from fleetctl.tui.background import in_background
from fleetctl.tui.host import Host
from fleetctl.tui.screens.tour import TourScreen
from fleetctl.tui.widgets.guide_line import GuideLine


class Guide:
    """Of one dashboard; idle unless this is a demo."""

    def __init__(self, app: Host) -> None:
        self._app = app
        self.stops: tuple[demo.Stop, ...] = ()
        """What can be broken."""
        self.broken: list[demo.Stop] = []
        """What the tour broke and nobody mended from here, oldest first."""

    @property
    def _line(self) -> GuideLine:
        return self._app.screen_stack[0].query_one(GuideLine)

    def greet(self) -> None:
        """Say that this is a demo, where it is one."""
        if demo.present():
            self._do("Demo", self._greet())

    async def _greet(self) -> None:
        about = demo.about()
        self._line.greet(about.note, kept=about.kept)
        self.stops = await demo.tour()

    def show_tour(self) -> None:
        """The list of what can be broken."""
        self._do("Tour", self._show_tour())

    async def _show_tour(self) -> None:
        self.stops = self.stops or await demo.tour()
        self._app.push_screen(TourScreen(self.stops, self.break_it))

    def break_it(self, stop: demo.Stop) -> None:
        """Break what ``stop`` is about, and say what to look for."""
        self._do(stop.title, self._break_it(stop))

    async def _break_it(self, stop: demo.Stop) -> None:
        said = await demo.inject(stop)
        self.broken = [*(s for s in self.broken if s.id != stop.id), stop]
        self._line.show(stop, said)
        self._app.refresh_bindings()

    def mend(self, stop: demo.Stop) -> None:
        """Mend what ``stop`` broke."""
        self._do(stop.title, self._mend(stop))

    async def _mend(self, stop: demo.Stop) -> None:
        said = await demo.heal(stop)
        self.broken = [s for s in self.broken if s.id != stop.id]
        if self.broken:
            self._app.notify(said, markup=False)
        else:
            self._line.greet(said, kept=demo.about().kept)
        self._app.refresh_bindings()

    def _do(self, title: str, work: Coroutine[Any, Any, None]) -> None:
        """In the background, since the lab may take a while."""
        in_background(self._app, work, title=title, group="demo")
