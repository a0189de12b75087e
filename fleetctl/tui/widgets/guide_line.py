"""The demo's line: what was broken, what to look for, what repairs it."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from fleetctl.demo import Scenario
from fleetctl.tui.lessons import Lesson
from fleetctl.tui.tones import toned

_SHORT = 40
"""A note that is longer is left out where there is one line."""


class GuideLine(Static):
    """Shown in a demo only."""

    DEFAULT_CSS = """
    GuideLine { height: auto; max-height: 4; padding: 0 1; background: $boost; display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._whole = self._begins = Content()
        self._ends = ""

    def greet(self, note: str, *, kept: bool) -> None:
        """Show the greeting, while nothing is broken.

        :param note: what this demo's fleet cannot show, or what was mended.
        :param kept: whether the fleet outlives the dashboard.
        """
        then = "it runs on" if kept else "all of it is gone"
        hint = f"This is a demo fleet. d: a tour of things to break · q: leave, and {then}."
        whole = Content.assemble(hint, toned(f" {note}", "quiet") if note else "")
        keys = f"d: a tour of things to break · q: leave, {then}"
        begins = note if 0 < len(note) <= _SHORT else "A demo fleet"
        self._say(whole, Content(begins), keys)

    def show(self, scenario: Scenario, said: str) -> None:
        """Show what ``scenario`` broke."""
        heal = " h: mend it ·" if scenario.repair == "heal" else ""
        whole = Content.assemble(
            (said, "bold"),
            f" {scenario.look} ",
            toned(f"{scenario.remedy}{heal} d: the tour", "quiet"),
        )
        self._say(whole, Content.styled(said, "bold"), f"{heal.lstrip()} d: the tour".lstrip())

    def teach(self, lesson: Lesson) -> None:
        """Show the keys of a lesson, while they are tried."""
        ends = "d: the tour"
        whole = Content.assemble((lesson.title, "bold"), f": {lesson.says} ", toned(ends, "quiet"))
        self._say(whole, Content(lesson.says), ends)

    def _say(self, whole: Content, begins: Content, ends: str) -> None:
        self.display = True
        self._whole, self._begins, self._ends = whole, begins, ends
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        """Where rows are few, one line, of which the keys are never cut off."""
        width = self.app.size.width - 2
        if not self.screen.has_class("-low") or self._whole.cell_length <= width:
            self.update(self._whole)
            return
        begins = self._begins.truncate(max(1, width - len(self._ends) - 3), ellipsis=True)
        self.update(Content.assemble(begins, " · ", toned(self._ends, "quiet")))
