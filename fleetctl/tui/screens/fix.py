"""The screen of repairs: the exact commands, and, once they were run, the outcome of each."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Iterator, Sequence
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from fleetctl.errors import FleetctlError
from fleetctl.marks import mark
from fleetctl.model.repairs import Repair, StepOutcome
from fleetctl.model.status import RepairStep
from fleetctl.quantities import count
from fleetctl.service import Repairs
from fleetctl.tui.background import in_background
from fleetctl.tui.host import Host
from fleetctl.tui.screens.page import Page
from fleetctl.tui.sheets import joined
from fleetctl.tui.tones import drawn, toned
from fleetctl.words.repairs import ALL_IS_WELL, Hints, RepairLine, outcome_line, proposal_lines

HINTS = Hints(
    persistent="shown only; p runs it too, for good",
    by_hand=lambda code: "no repair that fleetctl can run; esc, then Enter explains it",
)


class FixScreen(Page):
    """The commands that repair the problems of ``nodes``; only ``y`` runs them."""

    app: Host
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "apply", "run these commands"),
        Binding("p", "persistent", "for good on macOS too"),
    ]

    def __init__(self, nodes: Sequence[str]) -> None:
        super().__init__()
        self._targets = tuple(nodes)
        self._persistent = False
        self._repairs: Repairs | None = None
        self._said: list[Content] = []
        """The outcomes so far, oldest first."""
        self._busy = ""
        self._failed = ""
        """Why the last check or repair failed."""

    def body(self) -> Widget:
        box = VerticalScroll(Static(id="text", markup=False))
        box.border_title = "Fix"
        return box

    def on_mount(self) -> None:
        self._begin(self._look())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what can be done now."""
        if action == "apply":
            return bool(self._todo and not self._busy)
        if action == "persistent":
            mac = self._repairs and any(r.os == "macos" for r in self._repairs.proposal.repairs)
            return bool(mac and not self._busy)
        return True

    @property
    def _todo(self) -> dict[str, list[Repair]]:
        return self._repairs.todo() if self._repairs and not self._failed else {}

    def action_back(self) -> None:
        """Go back, unless a command is running."""
        if self._busy == "repairing":
            self.notify("A command is running; one moment.")
            return
        self.dismiss()

    def action_persistent(self) -> None:
        """Switch whether changes that persist on macOS are run, too."""
        self._persistent = not self._persistent
        self._begin(self._look())

    def action_apply(self) -> None:
        """Run the commands that are shown, then check whether that helped."""
        if self._repairs:
            self._begin(self._apply(self._repairs, self._todo))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._failed = ""
        in_background(
            self, work, title="fix", group="fix", exclusive=True, failed=self._work_failed
        )

    def _work_failed(self, why: str) -> None:
        self._failed = why
        self._work("")

    async def _look(self) -> None:
        before = self._repairs.outcomes if self._repairs else []
        repairs = self.app.service.fix(self._targets, persistent=self._persistent)
        repairs.outcomes = before
        self._repairs = repairs
        self._work("checking every node")
        await repairs.look()
        self._work("")

    async def _apply(self, repairs: Repairs, todo: dict[str, list[Repair]]) -> None:
        for node, found in todo.items():
            self._work("repairing")
            try:
                await repairs.apply(node, found, self._done)
            except FleetctlError as error:  # the other nodes are repaired all the same
                self._said.append(Content.assemble(drawn(mark("failed")), f" {error}"))
        self._work("checking whether that helped")
        await repairs.look()
        self._work("")  # newly found problems are shown before anything is run
        self.app.hurry()

    def _done(self, outcome: StepOutcome) -> None:
        self._said += _contents([outcome_line(outcome)])
        self._draw()

    def _work(self, doing: str) -> None:
        self._busy = doing
        self.refresh_bindings()
        self._draw()

    def _draw(self) -> None:
        self.query_one("#text", Static).update(joined(self._lines()))

    def _lines(self) -> Iterator[Content]:
        yield from self._said
        if self._said:
            yield Content("")
        if self._failed:
            yield Content.assemble(
                drawn(mark("unknown")), f" not known what is wrong: {self._failed}"
            )
            yield toned("esc, then f: look again", "quiet")
            return
        if self._busy or self._repairs is None:
            yield toned(f"◐ {self._busy or 'beginning'} …", "busy")
            return
        proposal = self._repairs.proposal
        if not proposal.repairs and not proposal.by_hand:
            yield Content.assemble(drawn(mark("ok")), f" {ALL_IS_WELL}")
        lines = proposal_lines(proposal, HINTS, persistent=self._persistent, tried=self._tried)
        yield from _contents(lines)
        if todo := self._todo:
            commands = sum(len(self._repairs.steps_of(r)) for found in todo.values() for r in found)
            what = f"y runs {count(commands, 'command')} on {', '.join(todo)}; esc runs nothing"
            yield Content.assemble("\n", toned(f"→ {what}", "busy"))
        if self._said:
            yield Content("")
            yield toned("To bring back what was: fleetctl fix --undo", "quiet")

    def _tried(self, repair: Repair, step: RepairStep) -> bool:
        return self._repairs is not None and step not in self._repairs.steps_of(repair)


def _contents(lines: Iterable[RepairLine]) -> Iterator[Content]:
    for line in lines:
        sign = Content.assemble(drawn(line.mark), " ") if line.mark else Content("")
        words = Content.assemble(line.text, (line.strong, "bold"), line.after)
        if line.weight != "plain":
            words = toned(line.text, line.weight)
        yield Content.assemble("    " * line.depth, sign, words)
