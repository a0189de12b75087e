"""The screen of repairs: the exact commands, and, once they were run, the outcome of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from fleetctl.errors import FleetctlError
from fleetctl.marks import mark
from fleetctl.model.repairs import Repair
from fleetctl.model.status import Problem, RepairStep
from fleetctl.quantities import count, first_ones
from fleetctl.tui.keymap import with_ids
from fleetctl.tui.screens.commands import CommandsPage, Part, rows_of
from fleetctl.tui.screens.undo import UndoScreen
from fleetctl.tui.tones import drawn, toned
from fleetctl.undertakings import Repairs
from fleetctl.words.repairs import ALL_IS_WELL, EXPECTED, Hints, by_hand_lines, repair_lines


class FixScreen(CommandsPage):
    """The commands that repair nodes; only ``y`` runs them.

    :param problems: only these; None: all that is wrong on ``nodes``.
    """

    BINDINGS: ClassVar[list[BindingType]] = with_ids(
        [Binding("p", "persistent", "for good on macOS too"), Binding("u", "undo", "undo")], "fix."
    )

    def __init__(self, nodes: Sequence[str], problems: Sequence[Problem] | None = None) -> None:
        what = ", ".join(dict.fromkeys(p.code for p in problems)) if problems else "all problems"
        where = nodes[0] if len(nodes) == 1 else count(len(nodes), "node")
        super().__init__(f"Fix · {what} · {where}")
        self._targets = tuple(nodes)
        self._problems = problems
        self._persistent = False
        self._repairs: Repairs | None = None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what can be done now."""
        if action == "persistent":
            mac = self._repairs and any(r.os == "macos" for r in self._repairs.proposal.repairs)
            return bool(mac and not self.busy)
        return super().check_action(action, parameters)

    @property
    def _hints(self) -> Hints:
        return Hints(
            persistent=f"shown only; {self.app.key_of('fix.persistent')} runs it too, for good",
            by_hand=lambda code: "no repair that fleetctl can run; esc, then Enter explains it",
        )

    @property
    def _todo(self) -> dict[str, list[Repair]]:
        """By node: the repairs that can be run, and have their box."""
        found = self._repairs.todo() if self._repairs and not self.failed else {}
        chosen = {node: [r for r in of if self.chosen(_box(r))] for node, of in found.items()}
        return {node: repairs for node, repairs in chosen.items() if repairs}

    def can_apply(self) -> bool:
        return bool(self._todo)

    def action_persistent(self) -> None:
        """Switch whether changes that persist on macOS are run, too."""
        self._persistent = not self._persistent
        self.begin(self.look())

    def action_undo(self) -> None:
        """Show what undoes the repairs of these nodes instead."""
        if not self.busy:
            self.dismiss()
            self.app.push_screen(UndoScreen(self._targets))

    async def look(self) -> None:
        before = self._repairs.outcomes if self._repairs else []
        repairs = self.app.service.fix(
            self._targets,
            persistent=self._persistent,
            problems=self._problems,
            password=self.password,
        )
        repairs.outcomes = before
        self._repairs = repairs
        self.work("checking every node")
        await repairs.look()
        self.work("")

    async def apply(self) -> None:
        """Run the commands that are shown, then check whether that helped."""
        repairs = self._repairs
        if repairs is None:
            return
        for node, found in self._todo.items():
            self.work("running")
            try:
                await repairs.apply(node, found, self.done)
            except FleetctlError as error:  # the other nodes are repaired all the same
                self.node_failed(error)
        self.work("checking whether that helped")
        await repairs.look()
        self.work("")  # newly found problems are shown before anything is run
        self.app.hurry()

    def parts(self) -> Iterator[Part]:
        if self._repairs is None:
            return
        proposal, before, can = self._repairs.proposal, self._persistent, self._repairs.todo()
        if not proposal.repairs and not proposal.by_hand:
            yield Part(Content.assemble(drawn(mark("ok")), f" {self._well()}"))
        runnable = {_box(repair) for repairs in can.values() for repair in repairs}
        for repair in proposal.repairs:
            lines = repair_lines(repair, self._hints, persistent=before, tried=self._tried)
            yield from rows_of(lines, _box(repair) if _box(repair) in runnable else "")
        if proposal.then:
            yield from rows_of([EXPECTED])
        for repair in proposal.then:
            yield from rows_of(repair_lines(repair, self._hints, persistent=before))
        for found in proposal.by_hand:
            yield from rows_of(by_hand_lines(found, self._hints))
        if can:
            todo = self._todo
            steps = sum(len(self._repairs.steps_of(r)) for found in todo.values() for r in found)
            yield self.offer(steps, todo)
        if self.said:
            yield Part(Content(""))
            key = self.app.key_of("fix.undo")
            yield Part(toned(f"To bring back what was: {key} (fleetctl fix --undo)", "quiet"))

    def _well(self) -> str:
        if self._problems is None:
            where = f" on {self._targets[0]}" if len(self._targets) == 1 else ""
            return ALL_IS_WELL + where
        found = [f"{p.code} on {p.node}" if p.node else p.code for p in self._problems]
        return f"the check no longer finds {first_ones(found)}"

    def _tried(self, repair: Repair, step: RepairStep) -> bool:
        return self._repairs is not None and step not in self._repairs.steps_of(repair)


def _box(repair: Repair) -> str:
    """Which box on the screen is that of ``repair``."""
    return f"{repair.node} {repair.problem.code} {repair.problem.summary}"
