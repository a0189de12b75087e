"""The demo's guide: breaks things on request, says what to look for, mends them."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from fleetctl import demo
from fleetctl.tui.background import in_background
from fleetctl.tui.host import Host
from fleetctl.tui.lessons import lessons
from fleetctl.tui.widgets.guide_line import GuideLine


class Guide:
    """The guide of one dashboard; does nothing unless this is a demo."""

    def __init__(self, app: Host) -> None:
        self._app = app
        self.scenarios: tuple[demo.Scenario, ...] = ()
        """What can be broken."""
        self.broken: list[demo.Scenario] = []
        """What the tour broke and was not mended from here, oldest first."""

    @property
    def _line(self) -> GuideLine:
        return self._app.screen_stack[0].query_one(GuideLine)

    def greet(self) -> None:
        """Say that this is a demo, if it is one."""
        if demo.present():
            self._do("Demo", self._greet())

    async def _greet(self) -> None:
        about = demo.about()
        self._line.greet(about.note, kept=about.kept)
        self.scenarios = await demo.tour()

    def show_tour(self) -> None:
        """Show the list of what can be broken."""
        self._do("Tour", self._show_tour())

    async def _show_tour(self) -> None:
        from fleetctl.tui.screens.tour import TourScreen

        self.scenarios = self.scenarios or await demo.tour()
        self._app.push_screen(
            TourScreen(self.scenarios, self.break_it, lessons(self._app.key_of), self._line.teach)
        )

    def break_it(self, scenario: demo.Scenario) -> None:
        """Break what ``scenario`` is about, and say what to look for."""
        if self._app.may("tour"):
            self._do(scenario.title, self._break_it(scenario))

    async def _break_it(self, scenario: demo.Scenario) -> None:
        said = await demo.inject(scenario)
        self.broken = [*(s for s in self.broken if s.id != scenario.id), scenario]
        self._line.show(scenario, said)
        self._app.refresh_bindings()

    def mend(self, scenario: demo.Scenario) -> None:
        """Mend what ``scenario`` broke."""
        if self._app.may("mend"):
            self._do(scenario.title, self._mend(scenario))

    async def _mend(self, scenario: demo.Scenario) -> None:
        said = await demo.heal(scenario)
        self.broken = [s for s in self.broken if s.id != scenario.id]
        if self.broken:
            self._app.notify(said, markup=False)
        else:
            self._line.greet(said, kept=demo.about().kept)
        self._app.refresh_bindings()

    def _do(self, title: str, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` in the background: the lab may be slow."""
        in_background(self._app, work, title=title, group="demo")
