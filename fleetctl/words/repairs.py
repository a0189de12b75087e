"""A proposal of repairs as lines: the commands, what each changes, how it is undone. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from msgspec import Struct

from fleetctl.marks import Mark, mark
from fleetctl.model.repairs import ByHand, KeptRecord, Proposal, Repair, StepOutcome
from fleetctl.model.status import Problem, RepairStep

ALL_IS_WELL = "all is as nodes.yaml wants it"
NOTHING = "(nothing to undo)"
"""Of a single command."""
NOTHING_TO_UNDO = "nothing to undo: there is no record of a repair"

Weight = Literal["plain", "quiet", "doubt"]


class RepairLine(Struct, frozen=True):
    """One line: a mark, then the text, of which ``strong`` is drawn bold."""

    depth: int
    """Levels of indentation."""
    text: str = ""
    strong: str = ""
    after: str = ""
    mark: Mark | None = None
    weight: Weight = "plain"


FOUND_NOW = RepairLine(0, "found now that this is done:", weight="quiet")
"""Before what a repair brought up."""
EXPECTED = RepairLine(0, "then, as far as can be told before that is done:", weight="quiet")
"""Before what a repair is expected to bring up."""


class Hints(Struct, frozen=True):
    """What the user can do, as each front end says it."""

    persistent: str
    """For a step that changes what a Mac brings up at boot, which is not run by default."""
    by_hand: Callable[[str], str]
    """For a problem code: where its explanation is."""


def proposal_lines(
    proposal: Proposal,
    hints: Hints,
    *,
    persistent: bool,
    tried: Callable[[Repair, RepairStep], bool] = lambda repair, step: False,
) -> Iterator[RepairLine]:
    """The lines of a whole proposal; see :func:`repair_lines`."""
    for repair in proposal.repairs:
        yield from repair_lines(repair, hints, persistent=persistent, tried=tried)
    if proposal.then:
        yield EXPECTED
    for repair in proposal.then:
        yield from repair_lines(repair, hints, persistent=persistent, tried=lambda r, s: False)
    for found in proposal.by_hand:
        yield from by_hand_lines(found, hints)


def repair_lines(
    repair: Repair,
    hints: Hints,
    *,
    persistent: bool,
    tried: Callable[[Repair, RepairStep], bool] = lambda repair, step: False,
) -> Iterator[RepairLine]:
    """A problem, and each command with what it changes, how long that lasts, how it is undone.

    :param persistent: whether steps that last over a reboot are run on macOS, too.
    :param tried: whether a step was run already.
    """
    yield _problem(repair.problem)
    runnable = repair.runnable(persistent=persistent)
    for step in repair.steps:
        yield RepairLine(1, f"on {repair.node}: ", step.command)
        lasts = "lasts over a reboot" if step.lasts else "until the next boot"
        yield RepairLine(2, f"{step.does} ({lasts})", weight="quiet")
        if step.undo:
            yield RepairLine(2, f"undo: {step.undo}", weight="quiet")
        if why := repair.refusal(step):
            yield RepairLine(2, f"not run: {why}", weight="doubt")
        elif step not in runnable:
            yield RepairLine(2, hints.persistent, weight="doubt")
        elif tried(repair, step):
            yield RepairLine(2, "tried already", weight="doubt")
    yield from _notes(repair.notes)


def by_hand_lines(found: ByHand, hints: Hints) -> Iterator[RepairLine]:
    """A problem that fleetctl cannot repair, and what to do."""
    yield _problem(found.problem)
    yield from _notes(found.notes)
    for command in found.problem.fix.commands if found.problem.fix else ():
        yield RepairLine(1, f"by hand: {command}")
    yield RepairLine(1, hints.by_hand(found.problem.code), weight="quiet")


def outcome_line(outcome: StepOutcome) -> RepairLine:
    """The outcome of a command that was run."""
    why = f": {outcome.said}" if outcome.said else ""
    command = outcome.command or NOTHING
    return RepairLine(
        0,
        f"{outcome.node}: {command} {outcome.state}{why}",
        mark=mark("ok" if outcome.state == "done" else "failed"),
    )


def record_head(node: str, records: Sequence[KeptRecord]) -> RepairLine:
    """The line before the records of a node."""
    return RepairLine(0, f"{node}: {len(records)} to undo, the newest first")


def record_lines(kept: KeptRecord) -> Iterator[RepairLine]:
    """The command that an undo runs, and what it takes back."""
    record = kept.record
    when = record.at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    yield RepairLine(1, record.step.undo or NOTHING)
    back = f"takes back, of {when} for {record.code}: {record.step.command}"
    yield RepairLine(3, back, weight="quiet")


def _problem(problem: Problem) -> RepairLine:
    return RepairLine(
        0, strong=problem.code, after=f": {problem.summary}", mark=mark(problem.severity)
    )


def _notes(notes: tuple[str, ...]) -> Iterator[RepairLine]:
    for note in notes:
        yield RepairLine(1, f"note: {note}", weight="quiet")
