"""The demo's tour: keys to try, and things to break, with what to look for then."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import on
from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList

from fleetctl.demo import Scenario
from fleetctl.tui.lessons import Lesson
from fleetctl.tui.screens.page import Page
from fleetctl.tui.tones import toned
from fleetctl.tui.widgets.rows import Rows


class TourScreen(Page):
    """Enter breaks what is under the cursor, or shows the keys of a lesson, and goes back to the
    dashboard.

    :param chosen: called with the chosen scenario.
    :param taught: called with the chosen lesson.
    """

    DEFAULT_CSS = "TourScreen Rows { text-wrap: wrap; }"

    def __init__(
        self,
        scenarios: Sequence[Scenario],
        chosen: Callable[[Scenario], object],
        lessons: Sequence[Lesson] = (),
        taught: Callable[[Lesson], object] = lambda lesson: None,
    ) -> None:
        super().__init__()
        self._lessons = {f"keys {lesson.title}": lesson for lesson in lessons}
        self._teach = taught
        self._scenarios = {scenario.id: scenario for scenario in scenarios}
        self._tell = chosen

    def body(self) -> Widget:
        rows = Rows()
        rows.border_title = (
            "Tour · enter breaks it, in the demo's fleet only; keys to try are below"
        )
        return rows

    def on_mount(self) -> None:
        self.query_one(Rows).show(
            [
                (
                    scenario.id,
                    Content.assemble(
                        (f"{number}. {scenario.title}", "bold"),
                        "\n   ",
                        toned(scenario.remedy, "quiet"),
                    ),
                )
                for number, scenario in enumerate(self._scenarios.values(), 1)
            ]
            + [
                (
                    key,
                    Content.assemble(
                        (f"Keys: {lesson.title}", "bold"), "\n   ", toned(lesson.says, "quiet")
                    ),
                )
                for key, lesson in self._lessons.items()
            ]
        )

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        key = event.option_id or ""
        self.dismiss()
        if key in self._lessons:
            self._teach(self._lessons[key])
        else:
            self._tell(self._scenarios[key])
