"""Base of the screens that show commands for nodes, and run them when ``y`` is typed."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Iterator
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from fleetctl.errors import FleetctlError
from fleetctl.marks import mark
from fleetctl.model.repairs import StepOutcome
from fleetctl.tui.background import in_background
from fleetctl.tui.host import Host
from fleetctl.tui.screens.page import Page
from fleetctl.tui.sheets import joined
from fleetctl.tui.tones import drawn, toned
from fleetctl.words.repairs import RepairLine, outcome_line


class CommandsPage(Page):
    """Shows what is being done, the outcomes so far, and then the commands."""

    app: Host
    BINDINGS: ClassVar[list[BindingType]] = [Binding("y", "apply", "run these commands")]

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title
        self.said: list[Content] = []
        """The outcomes so far, oldest first."""
        self.busy = ""
        self.failed = ""
        """Why the last check or command failed."""

    # what a screen says of itself

    def lines(self) -> Iterator[Content]:
        """What is shown while nothing is being done."""
        raise NotImplementedError

    def can_apply(self) -> bool:
        """Whether there is something that could be run."""
        raise NotImplementedError

    async def look(self) -> None:
        """Find out what could be run."""
        raise NotImplementedError

    async def apply(self) -> None:
        """Run what is shown."""
        raise NotImplementedError

    # the page

    def body(self) -> Widget:
        box = VerticalScroll(Static(id="text", markup=False))
        box.border_title = self._title
        return box

    def on_mount(self) -> None:
        self.begin(self.look())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what can be done now."""
        return bool(not self.busy and self.can_apply()) if action == "apply" else True

    def action_back(self) -> None:
        """Go back, unless a command is running."""
        if self.busy == "running":
            self.notify("A command is running; one moment.")
            return
        self.dismiss()

    def action_apply(self) -> None:
        """Run the commands that are shown."""
        if self.app.may("run commands on nodes"):
            self.begin(self.apply())

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        self.failed = ""
        in_background(
            self, work, title=self._title, group="commands", exclusive=True, failed=self._broke
        )

    def _broke(self, why: str) -> None:
        self.failed = why
        self.work("")

    def work(self, doing: str) -> None:
        """Show what is being done; empty: nothing."""
        self.busy = doing
        self.refresh_bindings()
        self.draw()

    def done(self, outcome: StepOutcome) -> None:
        """Show the outcome of a command."""
        self.said += contents([outcome_line(outcome)])
        self.draw()

    def node_failed(self, error: FleetctlError) -> None:
        """Show why nothing can be run on a node."""
        self.said.append(Content.assemble(drawn(mark("failed")), f" {error}"))

    def draw(self) -> None:
        self.query_one("#text", Static).update(joined(self._all_lines()))

    def _all_lines(self) -> Iterator[Content]:
        yield from self.said
        if self.said:
            yield Content("")
        if self.failed:
            yield Content.assemble(
                drawn(mark("unknown")), f" not known what is wrong: {self.failed}"
            )
            yield toned("esc, then the same key: look again", "quiet")
        elif self.busy:
            yield toned(f"◐ {self.busy} …", "busy")
        else:
            yield from self.lines()


def contents(lines: Iterable[RepairLine]) -> Iterator[Content]:
    """Lines with their marks and indentation."""
    for line in lines:
        sign = Content.assemble(drawn(line.mark), " ") if line.mark else Content("")
        words = Content.assemble(line.text, (line.strong, "bold"), line.after)
        if line.weight != "plain":
            words = toned(line.text, line.weight)
        yield Content.assemble("    " * line.depth, sign, words)
