"""``fleetctl fix``: shows, runs and undoes the commands that repair the problems of a check."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from getpass import GetPassWarning, getpass

import click
import msgspec
from msgspec import Struct

from fleetctl.cli.asking import agreed, can_ask
from fleetctl.cli.context import Context, nodes
from fleetctl.cli.fix_lines import HINTS, drawn, still_wrong_lines
from fleetctl.cli.progress import ProgressLines
from fleetctl.errors import FleetctlError, RepairRefused, UsageError
from fleetctl.model.repairs import KeptRecord, Repair, StepOutcome
from fleetctl.model.status import RepairStep
from fleetctl.model.sudo import SudoPassword
from fleetctl.model.topology import Fleet
from fleetctl.model.ways_in import behind, outward
from fleetctl.undertakings import Repairs
from fleetctl.words.repairs import (
    ALL_IS_WELL,
    FOUND_NOW,
    NOTHING_TO_UNDO,
    outcome_line,
    proposal_lines,
    record_head,
    record_lines,
    repair_lines,
)

SCHEMA = "fleetctl.fix/1"
ROUNDS = 12
"""At most: each repair may bring up another, and makes nodes reachable that have their own."""


class _Options(Struct, frozen=True):
    apply: bool
    yes: bool
    persistent: bool
    undo: bool
    as_json: bool


@click.command(short_help="what would repair the problems of a check; run on request")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("--apply", is_flag=True, help="Run it: asks for each node, then checks again.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--persistent",
    is_flag=True,
    help="On macOS also run what lasts over a reboot; on Linux that is always run.",
)
@click.option("--undo", is_flag=True, help="Bring back what was before the repairs, newest first.")
@click.option(
    "--ask-sudo",
    is_flag=True,
    help="Ask once, here, for the password that sudo on the nodes wants; it goes there over stdin.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, alone on stdout.")
@click.pass_obj
def command(
    context: Context,
    targets: tuple[str, ...],
    apply: bool,
    yes: bool,
    persistent: bool,
    undo: bool,
    ask_sudo: bool,
    as_json: bool,
) -> int:
    """Print the exact commands that would repair what `check` finds on the TARGETs, what each
    changes, how it is undone, and whether it lasts over a reboot.

    Commands are run by `sudo -n`, or with --ask-sudo by a sudo that wants a password, and never on
    the interface that carries a node's own SSH. What is run is written down on the node first, so
    that any laptop can undo it. docs/sudo.md has the least rule for sudo without a password. Exit
    code 0: nothing is wrong any more that is an error or could be repaired.
    """
    if apply and undo:
        raise UsageError("--apply and --undo exclude each other")
    if (apply or undo) and not yes and not can_ask():
        raise UsageError(
            "there is no terminal to ask on before nodes are changed", hint="Add --yes."
        )
    if ask_sudo and not (apply or undo):
        raise UsageError("--ask-sudo is for running commands", hint="Add --apply or --undo.")
    options = _Options(apply, yes, persistent, undo, as_json)
    password = _ask_password() if ask_sudo else None
    return asyncio.run(_fix(context, targets, options, password))


def _ask_password() -> SudoPassword:
    with warnings.catch_warnings():
        warnings.simplefilter("error", GetPassWarning)  # it would be shown while it is typed
        try:
            typed = getpass("password for sudo on the nodes: ")
        except (GetPassWarning, EOFError):
            raise UsageError("--ask-sudo needs a terminal to ask for the password on") from None
    if not typed:
        raise UsageError("no password was given, so nothing was changed")
    return SudoPassword(typed)


async def _fix(
    context: Context, targets: Sequence[str], options: _Options, password: SudoPassword | None
) -> int:
    async with context.service(warm=False) as service:
        inside = [n for n, node in service.fleet.nodes.items() if node.connection != "none"]
        chosen = [name for name in nodes(service, targets) if name in inside]
        watch = _Watch(inside)
        repairs = service.fix(
            chosen, persistent=options.persistent, answered=watch.answered, password=password
        )
        run = _Run(service.fleet, repairs, options, chosen, watch)
        try:
            return await (run.undo() if options.undo else run.repair())
        except asyncio.CancelledError:
            run.say_what_was_done()
            raise


class _Watch:
    """Shows which nodes a check still waits for."""

    _lines: ProgressLines
    """The lines of the newest check."""

    def __init__(self, asked: list[str]) -> None:
        self._asked = asked

    async def over(self, work: Awaitable[object]) -> None:
        self._lines = ProgressLines(self._asked, "checking")
        async with self._lines.live():
            await work

    def answered(self, node: str, _look: object) -> None:
        self._lines.settle(node)


class _Run:
    """One run of ``fleetctl fix``."""

    def __init__(
        self,
        fleet: Fleet,
        repairs: Repairs,
        options: _Options,
        chosen: Sequence[str],
        watch: _Watch,
    ) -> None:
        self._fleet = fleet
        self._repairs = repairs
        self._options = options
        self._chosen = chosen
        self._watch = watch
        self._shown: list[Repair] = []
        """Every repair that was proposed, in the order of the rounds."""
        self._errors: dict[str, str] = {}
        """By node: why it could not be repaired."""

    def _say(self, lines: Iterable[str]) -> None:
        """Print to stdout; to stderr with --json, where stdout is for programs."""
        for line in lines:
            click.echo(line, err=self._options.as_json)

    def _report(self, outcome: StepOutcome) -> None:
        self._say(drawn([outcome_line(outcome)]))

    def say_what_was_done(self) -> None:
        """After Ctrl-C: list the commands that were run, also the one that was running."""
        done = [o for o in self._repairs.outcomes if o.state == "done"]
        what = ("nothing was run", "1 command was run", f"{len(done)} commands were run")
        click.echo(f"stopped; {what[min(len(done), 2)]}", err=True)
        for outcome in done:
            click.echo(f"  {outcome.node}: {outcome.command}", err=True)
        if done and not self._options.undo:
            click.echo("to bring back what was: fleetctl fix --undo", err=True)

    # repair

    async def repair(self) -> int:
        await self._watch.over(self._repairs.look())
        self._show_proposal()
        if self._options.apply:
            for number in range(ROUNDS):
                if number and self._repairs.todo():
                    self._say(drawn([FOUND_NOW]))
                if not await self._round():
                    break
                await self._watch.over(self._repairs.look())
        return self._finish()

    def _show_proposal(self) -> None:
        proposal = self._repairs.proposal
        self._shown += proposal.repairs
        if not self._options.apply:
            lines = proposal_lines(proposal, HINTS, persistent=self._options.persistent)
            self._say(drawn(lines))

    async def _round(self) -> bool:
        """Repair node by node; returns whether anything was run."""
        before = len(self._repairs.outcomes)
        known = {(r.node, r.problem.code, r.steps) for r in self._shown}
        proposed = self._repairs.proposal.repairs
        self._shown += [r for r in proposed if (r.node, r.problem.code, r.steps) not in known]
        for node, repairs in self._repairs.todo().items():
            for repair in repairs:
                lines = repair_lines(repair, HINTS, persistent=self._options.persistent)
                self._say(drawn(lines))
            count = sum(len(self._repairs.steps_of(r)) for r in repairs)
            if not await self._agreed(f"Run {_commands(count)} on {node}?"):
                self._repairs.decline(repairs)
                continue
            try:
                await self._repairs.apply(node, repairs, self._report)
            except FleetctlError as error:  # the other nodes are repaired all the same
                self._failed(node, error)
        return len(self._repairs.outcomes) > before

    def _failed(self, node: str, error: FleetctlError) -> None:
        self._errors[node] = str(error)
        click.echo(f"fleetctl: {error}", err=True)

    def _finish(self) -> int:
        options, repairs = self._options, self._repairs
        wrong = repairs.still_wrong
        if options.as_json:
            self._print_json(wrong)
        elif options.apply:
            self._say(still_wrong_lines(repairs.proposal, persistent=options.persistent))
        elif not repairs.open_problems:
            click.echo(f"nothing to repair: {ALL_IS_WELL}")
        elif repairs.todo():
            more = " --persistent" if repairs.more_with_persistent else ""
            click.echo(f"to run these commands: fleetctl fix --apply{more}", err=True)
        failed = any(o.state != "done" for o in repairs.outcomes)
        return 1 if wrong or self._errors or failed else 0

    def _print_json(self, wrong: bool) -> None:
        states = {(o.node, o.command): o for o in self._repairs.outcomes}
        _print(
            {
                "schema": SCHEMA,
                "action": "apply" if self._options.apply else "show",
                "ok": not wrong and not self._errors,
                "repairs": [_repair_json(repair, states) for repair in self._shown],
                "then": [
                    _repair_json(repair, {})
                    for repair in self._repairs.proposal.then
                    if not self._options.apply
                ],
                "by_hand": [
                    {"problem": found.problem, "notes": found.notes}
                    for found in self._repairs.proposal.by_hand
                ],
                "errors": self._errors,
                "still_wrong": self._repairs.open_problems if self._options.apply else None,
            }
        )

    # undo

    async def undo(self) -> int:
        await self._watch.over(self._repairs.check())
        found = False
        left: list[str] = []
        ways = self._repairs.ways
        for node in reversed(outward(self._fleet, self._chosen, ways)):  # so that no way is cut
            if cut := behind(self._fleet, node, left, ways):
                self._failed(node, _still_a_way(node, cut))
                continue
            before = len(self._repairs.outcomes)
            try:
                records = await self._repairs.records(node)
                if records:
                    found = True
                    await self._undo_on(node, records)
            except FleetctlError as error:
                self._failed(node, error)
            new = self._repairs.outcomes[before:]
            if node in self._errors or any(o.state != "done" for o in new):
                left.append(node)
        failed = any(o.state != "done" for o in self._repairs.outcomes)
        if self._options.as_json:
            _print(
                {
                    "schema": SCHEMA,
                    "action": "undo",
                    "ok": not failed and not self._errors,
                    "undone": self._repairs.outcomes,
                    "errors": self._errors,
                }
            )
        elif not found and not self._errors:
            click.echo(NOTHING_TO_UNDO)
        return 1 if failed or self._errors else 0

    async def _undo_on(self, node: str, records: Sequence[KeptRecord]) -> None:
        self._say(drawn([record_head(node, records)]))
        self._say(drawn(line for kept in records for line in record_lines(kept)))
        if await self._agreed(f"Run {_commands(len(records))} on {node}?"):
            await self._repairs.undo(node, records, self._report)

    async def _agreed(self, question: str) -> bool:
        return self._options.yes or await agreed(question)


def _still_a_way(node: str, behind: Sequence[str]) -> RepairRefused:
    return RepairRefused(
        f"{node} is left as it is: {' and '.join(behind)}, reached through it, could not be set "
        "back first",
        hint=f"To cut it off all the same: fleetctl fix --undo {node}",
    )


def _commands(count: int) -> str:
    return "this command" if count == 1 else f"these {count} commands"


def _repair_json(
    repair: Repair, states: Mapping[tuple[str, str], StepOutcome]
) -> dict[str, object]:
    return {
        "problem": repair.problem,
        "node": repair.node,
        "steps": [
            _step_json(repair, step, states.get((repair.node, step.command)))
            for step in repair.steps
        ],
        "notes": repair.notes,
    }


def _step_json(repair: Repair, step: RepairStep, outcome: StepOutcome | None) -> dict[str, object]:
    refused = repair.refusal(step)
    return {
        "command": step.command,
        "does": step.does,
        "undo": step.undo,
        "lasts": step.lasts,
        "interface": step.interface or None,
        "state": outcome.state if outcome else "refused" if refused else "not run",
        "reason": (outcome.said if outcome else refused) or None,
    }


def _print(value: dict[str, object]) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value)))
