"""The screen of measurements: what would be measured, and, once ``y`` was pressed, what came."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from fleetctl.marks import verdict
from fleetctl.model.bench import BenchReport
from fleetctl.quantities import count
from fleetctl.tui.background import in_background
from fleetctl.tui.host import Host
from fleetctl.tui.keymap import with_ids
from fleetctl.tui.screens.page import Page
from fleetctl.tui.sheets import joined, table
from fleetctl.tui.tones import drawn, toned
from fleetctl.tui.widgets.problems_panel import problem_line
from fleetctl.undertakings import Benching
from fleetctl.words.bench import HEAD, besides, cells, holds, reduced


class BenchScreen(Page):
    """Round trips and bandwidth of the job's paths; leaving it ends the measurement, and what was
    measured is kept."""

    app: Host
    BINDINGS: ClassVar[list[BindingType]] = with_ids(
        [
            Binding("y", "measure", "measure"),
        ],
        "bench.",
    )

    def __init__(self, *, begin: bool = False) -> None:
        """
        :param begin: begin to measure at once.
        """
        super().__init__()
        self._begins = begin
        self._bench: Benching | None = None
        self._doing = ""
        self._failed = ""

    def body(self) -> Widget:
        box = VerticalScroll(Static(id="text", markup=False))
        box.border_title = "Bench · what the links carry"
        return box

    def on_mount(self) -> None:
        self._show()
        if self._begins:
            self.action_measure()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer to measure only while nothing is measured."""
        return not self._doing if action == "measure" else True

    def action_measure(self) -> None:
        """Check the fleet, then measure path after path."""
        if not self.app.may("measure"):
            return
        self._failed, self._bench = "", None
        self._work("checking every node")
        in_background(
            self, self._measure(), title="bench", group="bench", exclusive=True, failed=self._ended
        )

    async def _measure(self) -> None:
        bench = self.app.service.bench(list(self.app.service.fleet.nodes))
        await bench.look()
        self._bench = bench
        paths = count(len(bench.paths), "path")

        def progressed() -> None:
            done = len(bench.results)
            self._work(f"measuring {paths}, one after the other: {done} done")

        progressed()
        await bench.measure(lambda _: progressed())
        self._work("")

    def _ended(self, why: str) -> None:
        self._failed = why
        self._work("")

    def _work(self, doing: str) -> None:
        self._doing = doing
        self.refresh_bindings()
        self._show()

    def _show(self) -> None:
        if self.is_attached:  # a measurement that ends with the screen still tells what it has
            self.query_one("#text", Static).update(joined(self._lines()))

    def _lines(self) -> Iterator[Content]:
        report = self._bench.report if self._bench else None
        if report and report.paths:
            yield from _rows(report)
            yield Content("")
        if report and report.complete:
            yield from _after(report)
        elif self._doing:
            yield toned(f"{self._doing} …", "busy")
        elif self._failed:
            yield toned(self._failed, "bad")
        else:
            yield Content(
                f"{self.app.key_of('bench.measure')} measures every path that the job uses, link "
                "by link: round trips, then bandwidth both ways. It loads the links, and is "
                "refused while the job runs there."
            )


def _rows(report: BenchReport) -> Iterator[Content]:
    rows = [
        [drawn(verdict(holds(result))), *map(Content, cells(result))] for result in report.paths
    ]
    yield from table(rows, ("", *HEAD))
    for result in report.paths:
        if not holds(result):
            yield toned(f"{result.path.label}: {result.verdict}", "doubt")


def _after(report: BenchReport) -> Iterator[Content]:
    if one := report.all_reduce:
        yield Content.assemble(drawn(verdict(one.ok)), f" {reduced(one)}")
    for line in besides(report):
        yield toned(line, "doubt")
    if report.ok:
        yield Content.assemble(drawn(verdict(True)), " all is well")
    yield from map(problem_line, report.problems)
