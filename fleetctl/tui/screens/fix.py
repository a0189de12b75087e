"""Repair: the exact commands first, then, when somebody says so, what became of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from fleetctl.errors import FleetctlError
from fleetctl.marks import mark
from fleetctl.quantities import count
from fleetctl.repair.applying import Outcome
from fleetctl.repair.proposals import Repair
from fleetctl.repair.rounds import Rounds
from fleetctl.tui.screens.page import Page
from fleetctl.tui.sheets import joined
from fleetctl.tui.tones import drawn, toned

if TYPE_CHECKING:
    from fleetctl.tui.app import FleetApp


class FixScreen(Page):
    """What would repair the problems of ``nodes``; only ``y`` runs it."""

    app: FleetApp
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "apply", "run these commands"),
        Binding("p", "persistent", "for good on macOS too"),
    ]

    def __init__(self, nodes: Sequence[str]) -> None:
        super().__init__()
        self._targets = tuple(nodes)
        self._persistent = False
        self._rounds: Rounds | None = None
        self._said: list[Content] = []
        """What was done, oldest first."""
        self._busy = ""

    def body(self) -> Widget:
        box = VerticalScroll(Static(id="text", markup=False))
        box.border_title = "Fix"
        return box

    def on_mount(self) -> None:
        self._look()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what can be done now is offered."""
        if action == "apply":
            return bool(self._rounds and not self._busy and self._rounds.todo())
        if action == "persistent":
            mac = self._rounds and any(r.os == "macos" for r in self._rounds.proposal.repairs)
            return bool(mac and not self._busy)
        return True

    def action_back(self) -> None:
        """Go back; a command that runs is waited for first."""
        if self._busy == "repairing":
            self.notify("A command is running; one moment.")
            return
        self.dismiss()

    def action_persistent(self) -> None:
        """Also run what changes how a Mac comes up, or not."""
        self._persistent = not self._persistent
        self._look()

    @work(exclusive=True)
    async def _look(self) -> None:
        before = self._rounds.outcomes if self._rounds else []
        self._rounds = Rounds(self.app.service, self._targets, persistent=self._persistent)
        self._rounds.outcomes = before
        self._work("checking every node")
        await self._rounds.look()
        self._work("")

    @work(exclusive=True)
    async def action_apply(self) -> None:
        """Run the commands that are shown, then look whether that helped."""
        assert self._rounds
        for node, repairs in self._rounds.todo().items():
            self._work("repairing")
            try:
                await self._rounds.apply(node, repairs, self._done)
            except FleetctlError as error:
                self._said.append(Content.assemble(drawn(mark("failed")), f" {error}"))
        self._work("checking whether that helped")
        await self._rounds.look()
        self._work("")  # what comes to light now is shown before it is run, too
        self.app.hurry()

    def _done(self, outcome: Outcome) -> None:
        what = mark("ok" if outcome.state == "done" else "failed")
        why = f": {outcome.said}" if outcome.said else ""
        line = f" {outcome.node}: {outcome.command}  {outcome.state}{why}"
        self._said.append(Content.assemble(drawn(what), line))
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
        if self._busy:
            yield toned(f"◐ {self._busy} …", "busy")
            return
        assert self._rounds
        proposal = self._rounds.proposal
        if not proposal.repairs and not proposal.by_hand:
            yield Content.assemble(drawn(mark("ok")), " all is as nodes.yaml wants it")
        for repair in proposal.repairs:
            yield from self._repair_lines(repair)
        if todo := self._rounds.todo():
            commands = sum(len(self._rounds.steps_of(r)) for found in todo.values() for r in found)
            what = f"y runs {count(commands, 'command')} on {', '.join(todo)}; esc runs nothing"
            yield Content.assemble("\n", toned(f"→ {what}", "busy"), "\n")
        for problem, notes in proposal.by_hand:
            yield Content.assemble(
                drawn(mark(problem.severity)), " ", (problem.code, "bold"), f"  {problem.summary}"
            )
            yield from (toned(f"    {note}", "quiet") for note in notes)
            for command in problem.fix.commands if problem.fix else ():
                yield Content(f"    by hand: {command}")
            yield toned("    no repair that fleetctl can run; esc, then Enter explains it", "quiet")
        if self._said:
            yield Content("")
            yield toned("To bring back what was: fleetctl fix --undo", "quiet")

    def _repair_lines(self, repair: Repair) -> Iterator[Content]:
        assert self._rounds
        problem = repair.problem
        yield Content.assemble(
            drawn(mark(problem.severity)), " ", (problem.code, "bold"), f"  {problem.summary}"
        )
        todo = self._rounds.steps_of(repair)
        for step in repair.steps:
            yield Content.assemble(f"    on {repair.node}: ", (step.command, "bold"))
            lasts = "lasts over a reboot" if step.lasts else "until the next boot"
            yield toned(f"        {step.does} ({lasts})", "quiet")
            if step.undo:
                yield toned(f"        undo: {step.undo}", "quiet")
            if why := repair.refusal(step):
                yield toned(f"        not run: {why}", "doubt")
            elif step not in repair.runnable(persistent=self._persistent):
                yield toned("        shown only; p runs it too, for good", "doubt")
            elif step not in todo:
                yield toned("        tried already", "doubt")
        yield from (toned(f"    note: {note}", "quiet") for note in repair.notes)
