"""How repairs look in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from fleetctl.cli.render import plain, state, style
from fleetctl.model.status import Problem, Step
from fleetctl.repair.applying import Outcome
from fleetctl.repair.proposals import Proposal, Repair
from fleetctl.repair.records import Kept


def repair_lines(repair: Repair, *, persistent: bool) -> list[str]:
    """A problem, and each command with what it changes, how long that lasts, how it is undone."""
    lines = [_headline(repair.problem)]
    runnable = repair.runnable(persistent=persistent)
    for step in repair.steps:
        lines.append(f"  on {repair.node}: {style(step.command, None, bold=True)}")
        lines.append(f"      {step.does} ({_lasting(step)})")
        if step.undo:
            lines.append(f"      undo: {step.undo}")
        if why := repair.refusal(step):
            lines.append(f"      not run: {why}")
        elif step not in runnable:
            lines.append("      printed only: it changes what the Mac brings up; add --persistent")
    return [*map(plain, lines), *_notes(repair.notes)]


def _headline(problem: Problem) -> str:
    return f"{state(problem.severity)} {problem.code}: {problem.summary}"


def _lasting(step: Step) -> str:
    return "lasts over a reboot" if step.lasts else "until the next boot"


def _notes(notes: Sequence[str]) -> list[str]:
    return [plain(f"  note: {note}") for note in notes]


def by_hand_lines(by_hand: Sequence[tuple[Problem, Sequence[str]]]) -> list[str]:
    """Problems that nothing here can repair, and what to do."""
    lines = []
    for problem, notes in by_hand:
        lines.append(plain(_headline(problem)))
        lines += _notes(notes)
        for command in problem.fix.commands if problem.fix else ():
            lines.append(plain(f"  by hand: {command}"))
        lines.append(f"  no repair that fix can run; what to do: fleetctl explain {problem.code}")
    return lines


def outcome_line(outcome: Outcome) -> str:
    """What became of a command that was run."""
    mark, colour = ("●", "green") if outcome.state == "done" else ("✖", "red")
    why = f": {outcome.said}" if outcome.said else ""
    text = plain(f"{mark} {outcome.node}: {outcome.command}")
    return f"{style(text, colour)} {outcome.state}{why}"


def record_lines(node: str, records: Sequence[Kept]) -> list[str]:
    """What an undo would run on a node, in that order."""
    lines = [f"{node}: {len(records)} to undo, the newest first"]
    for kept in records:
        record = kept.record
        when = record.at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        lines.append(f"  {record.step.undo or '(nothing to undo)'}")
        lines.append(f"      takes back, of {when} for {record.code}: {record.step.command}")
    return [plain(line) for line in lines]


def still_wrong_lines(proposal: Proposal, *, persistent: bool) -> list[str]:
    """What the last check found after the repairs."""
    if not proposal.repairs and not proposal.by_hand:
        return [plain(f"{style('●', 'green')} all is as nodes.yaml wants it")]
    lines = ["still wrong:"]
    for repair in proposal.repairs:
        lines += repair_lines(repair, persistent=persistent)
    return [*lines, *by_hand_lines(proposal.by_hand)]
