"""The problems: root causes, worst first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.events import Resize
from textual.message import Message
from textual.widgets import OptionList

from fleetctl.marks import mark
from fleetctl.model.jobs import Job
from fleetctl.model.status import FleetStatus, Problem
from fleetctl.quantities import first_ones
from fleetctl.tui.fitting import Wrapping, fitted
from fleetctl.tui.host import Host
from fleetctl.tui.job_action import JobAction
from fleetctl.tui.job_line import ago, stalled_s
from fleetctl.tui.messages import CursorMoved
from fleetctl.tui.remedies import LOG_LINES, about, helping, said_last
from fleetctl.tui.tones import drawn, toned
from fleetctl.tui.under_cursor import NOTHING, UnderCursor, of_problems
from fleetctl.tui.widgets.rows import Rows
from fleetctl.words.problems import groups, nodes_of

_ACTION = "action"
"""The key of the row of a start or stop that failed."""


class ProblemsPanel(Vertical):
    """A work list: a line per problem, with the keys that help; Enter explains it. A line is
    wrapped where all have room.

    The same cause on many nodes is one line, which Enter opens. What was repaired from here stays,
    to be undone.

    :param last_lines: the newest lines of an instance's log, and how many at most.
    """

    ALLOW_MAXIMIZE = True
    BORDER_TITLE = "Problems"
    DEFAULT_CSS = """
    ProblemsPanel { border: round $panel-lighten-2; border-title-color: $foreground-muted;
                    height: auto; max-height: 10; }
    ProblemsPanel:focus-within { border: round $accent; border-title-color: $text; }
    ProblemsPanel > Rows { height: auto; max-height: 8; text-wrap: wrap; }
    ProblemsPanel.-maximized { height: 1fr; max-height: 100%; }
    ProblemsPanel.-maximized > Rows { height: 1fr; max-height: 100%; }
    """

    FINDS: ClassVar[str] = "part of a problem's line, or of a name that it affects"

    class ProblemOpened(Message):
        """The page of a problem was asked for."""

        def __init__(self, problem: Problem) -> None:
            super().__init__()
            self.problem = problem

    class ActionOpened(Message):
        """The screen of the start or stop that failed was asked for."""

    app: Host

    def __init__(
        self,
        job: Job | None,
        last_lines: Callable[[str, int], Sequence[str]] = lambda instance, number: (),
    ) -> None:
        super().__init__()
        self._job = job
        self._last_lines = last_lines
        self._problems: dict[str, tuple[Problem, ...]] = {}
        """By key of the row; that of a group stands for all of its problems."""
        self._group: dict[str, str] = {}
        """By key of a row: that of its group; of the group's own row, too."""
        self._several: set[tuple[str, str | None]] = set()
        """Codes and nodes that had several problems at once: their summaries tell them apart."""
        self._open: set[str] = set()
        self._repaired: dict[str, tuple[str, str]] = {}
        """By key of the row of what was repaired: node and code."""
        self.sought = ""
        self._shown: tuple[FleetStatus, bool, JobAction | None] | None = None

    def compose(self) -> ComposeResult:
        yield Rows()

    def on_mount(self) -> None:
        self._ask()

    def _ask(self) -> None:
        self.query_one(Rows).show(
            [("", toned("? nothing is known yet: asking every node …", "quiet"))]
        )

    def take_job(self, job: Job | None) -> None:
        """Show the problems of another job, of which none is known yet."""
        self._job = job
        self._problems = {}
        self._group = {}
        self._several = set()
        self._shown = None
        self._ask()
        self._entitle(0)

    @property
    def under_cursor(self) -> UnderCursor:
        """What keys act on."""
        key = self.query_one(Rows).key
        if key == _ACTION and self._shown and (action := self._shown[2]) and self._job:
            left = action.left(self._shown[0].services)
            instances = tuple(i for i in self._job.instances if i.name in left)
            nodes = tuple(dict.fromkeys(i.node for i in instances))
            return UnderCursor(f"the {action.kind} that failed", nodes, instances)
        if key in self._repaired:
            node, code = self._repaired[key]
            return UnderCursor(f"{node}: {code}, repaired", (node,))
        found = self._problems.get(key or "")
        return of_problems(found, self._job) if found else NOTHING

    def show(self, status: FleetStatus, *, complete: bool, action: JobAction | None = None) -> None:
        """Show the problems of ``status``.

        :param complete: whether every node was asked. Until then "no problem" is not shown.
        :param action: the last start or stop; it has a row as long as what failed in it shows
            nowhere else.
        """
        self._shown = status, complete, action
        self._problems, self._group = {}, {}
        rows = [
            (key, row)
            for key, row in self._rows(status)
            if self._is_sought(row.whole, self._problems.get(key, ()))
        ]
        line = failed_action(action, status) if action else None
        if action and line and self._is_sought(line, names=action.left(status.services)):
            rows.insert(0, (_ACTION, Wrapping(line)))
        if not rows:
            rows = [("", Wrapping(self._nothing(status, complete=complete)))]
        rows += self._repaired_rows(status)
        width = self.size.width - 1  # that of the scrollbar
        lines = fitted([row for _, row in rows], max(1, width), self._height)
        self.query_one(Rows).show([(k, line) for (k, _), line in zip(rows, lines, strict=True)])
        self.post_message(CursorMoved())
        self._entitle(len(status.problems))

    def _entitle(self, number: int) -> None:
        title = f"Problems · {number}" if number else "Problems"
        if self.sought:
            title += f" · with {self.sought!r}"
        if self.border_title != title:
            self.border_title = title

    @on(Resize)
    def _show_again(self) -> None:
        if self._shown:
            status, complete, action = self._shown
            self.show(status, complete=complete, action=action)

    @property
    def _height(self) -> int:
        """The lines that there is room for."""
        most = self.styles.max_height
        return int(most.value) - 2 if most and most.is_cells else self.app.size.height - 4

    def _nothing(self, status: FleetStatus, *, complete: bool) -> Content:
        """What is said where no problem is shown."""
        if self.sought:
            return toned(f"no problem has {self.sought!r} in its line", "quiet")
        if not complete:
            return toned("? asking every node …", "quiet")
        if (still_s := stalled_s(status)) is not None:
            said = f"no cause is known yet, but no rank made a step for {ago(still_s)}"
            return Content.assemble(drawn(mark("unknown")), f" {said}")
        return Content.assemble(drawn(mark("ok")), " nothing is wrong")

    def _repaired_rows(self, status: FleetStatus) -> Iterator[tuple[str, Wrapping]]:
        wrong = {(p.node, p.code) for p in status.problems}
        left = [one for one in self.app.repaired if one not in wrong]
        self._repaired = {f"repaired {node} {code}": (node, code) for node, code in left}
        for key, (node, code) in self._repaired.items():
            said = f"repaired from here: {code} on {node}"
            if self.sought.lower() in said.lower():
                line = Content.assemble(drawn(mark("ok")), f" {said}")
                yield key, Wrapping(line, self._hints([("undo", "undo")]))

    def _hints(self, actions: Iterable[tuple[str, str]]) -> Content:
        said = "".join(f" [{self.app.key_of(action)}] {word}" for action, word in actions)
        return toned(f" {said}", "busy") if said else Content("")

    def _keys(self, problems: Sequence[Problem], status: FleetStatus) -> Content:
        return self._hints(helping(problems, status.services, self.app.repaired))

    def _tail(self, problem: Problem, status: FleetStatus) -> Content:
        names = about(problem, status.services)
        logs = {name: self._last_lines(name, LOG_LINES) for name in names}
        lines = said_last(problem, status.services, logs)
        return toned("".join(f"\n    ┆ {line}" for line in lines), "quiet")

    def find(self, text: str) -> None:
        """Show only the problems with ``text`` in their line."""
        self.sought = text
        self._show_again()

    def _is_sought(
        self, line: Content, problems: Sequence[Problem] = (), names: Iterable[str] = ()
    ) -> bool:
        """Also by the names that a line of many only counts."""
        about = {n for p in problems for n in (p.node, *p.affects) if n}
        return any(self.sought.lower() in words.lower() for words in (line.plain, *about, *names))

    def choose(self, under: UnderCursor) -> None:
        """Put the cursor on the first problem about ``under``, if one is."""
        rows = self.query_one(Rows)
        names = {*under.nodes, *(i.name for i in under.instances)}
        keys = [option.id or "" for option in rows.options]
        if not self._is_about(self._problems.get(rows.key or "", ()), names):
            for place, key in enumerate(keys):
                if self._is_about(self._problems.get(key, ()), names):
                    rows.highlighted = place
                    return

    @staticmethod
    def _is_about(problems: Sequence[Problem], names: set[str]) -> bool:
        return any(names & {p.node, *p.affects} for p in problems)

    def _rows(self, status: FleetStatus) -> Iterator[tuple[str, Wrapping]]:
        causes = Counter((p.code, p.node) for p in status.problems)
        self._several |= {cause for cause, number in causes.items() if number > 1}
        for group in groups(status.problems):
            name = f"{group[0].severity} {group[0].code}"
            if len(group) > 1:
                self._problems[name], self._group[name] = group, name
                line = group_line(group, opened=name in self._open)
                yield name, Wrapping(line, self._keys(group, status))
                if name not in self._open:
                    continue
            for problem in group:
                key = f"{problem.code} {problem.node}"
                if (problem.code, problem.node) in self._several:
                    key += f" {problem.summary}"
                self._problems[key] = (problem,)
                line, keys = problem_line(problem), self._keys((problem,), status)
                if len(group) > 1:
                    self._group[key] = name
                    yield key, Wrapping(Content.assemble("    ", line), keys)
                else:
                    yield key, Wrapping(line, keys, self._tail(problem, status))

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        key = event.option_id or ""
        if key == _ACTION:
            self.post_message(self.ActionOpened())
        elif self._group.get(key) == key:
            self._fold(key, opened=key not in self._open)
        elif found := self._problems.get(key):
            self.post_message(self.ProblemOpened(found[0]))

    def key_right(self) -> None:
        """Open the group under the cursor."""
        if group := self._group.get(self.query_one(Rows).key or ""):
            self._fold(group, opened=True)

    def key_left(self) -> None:
        """Close the group under the cursor."""
        if group := self._group.get(self.query_one(Rows).key or ""):
            self._fold(group, opened=False)

    def _fold(self, group: str, *, opened: bool) -> None:
        (self._open.add if opened else self._open.discard)(group)
        self._show_again()
        rows = self.query_one(Rows)
        if not opened:
            rows.highlighted = rows.get_option_index(group)


def failed_action(action: JobAction, status: FleetStatus) -> Content | None:
    """The line of a start or stop that failed; None once another problem tells what it left."""
    left = action.left(status.services)
    told = {name for p in status.problems if p.severity == "error" for name in p.affects}
    if not left or (not action.error and told.issuperset(left)):
        return None
    if action.error:
        which = left[0] if len(left) == 1 else f"{len(left)} instances"
        said = f"{action.kind} of {which}: {action.error.splitlines()[0].rstrip(':')}"
    else:
        said = f"{action.summary}; not so: {', '.join(left)}"
    return Content.assemble(drawn(mark("failed")), f" {said}", toned("  [o] opens it", "busy"))


def group_line(group: Sequence[Problem], *, opened: bool) -> Content:
    """One line for the same cause on many nodes: how many, and the first of them."""
    problem, names = group[0], nodes_of(group)
    hits = dict.fromkeys(name for p in group for name in p.affects)
    others = [name for name in hits if name.rpartition("@")[2] not in names]
    hit = f" → {first_ones(others)}" if others else ""
    sign = "▾" if opened else "▸"
    return _line(problem, f" on {len(names)} nodes {sign} {first_ones(names)}{hit}")


def problem_line(problem: Problem) -> Content:
    """One line: mark, code, summary, affected nodes."""
    others = [name for name in problem.affects if name not in problem.summary]
    hit = f" → {first_ones(others)}" if others else ""
    return _line(problem, f"  {problem.summary}{hit}")


def _line(problem: Problem, said: str) -> Content:
    return Content.assemble(drawn(mark(problem.severity)), " ", (problem.code, "bold"), said)
