"""The problems: root causes, worst first."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList

from fleetctl.marks import mark
from fleetctl.model.status import FleetStatus, Problem
from fleetctl.tui.tones import drawn, toned
from fleetctl.tui.widgets.rows import Rows


class ProblemsPanel(Vertical):
    """A line per problem; Enter explains it, f repairs."""

    ALLOW_MAXIMIZE = True
    BORDER_TITLE = "Problems"
    DEFAULT_CSS = """
    ProblemsPanel { border: round $panel-lighten-2; border-title-color: $foreground-muted;
                    height: auto; max-height: 8; }
    ProblemsPanel:focus-within { border: round $accent; border-title-color: $text; }
    ProblemsPanel > Rows { height: auto; max-height: 6; text-wrap: wrap; }
    """

    class ProblemOpened(Message):
        """The page of a problem was asked for."""

        def __init__(self, problem: Problem) -> None:
            super().__init__()
            self.problem = problem

    def __init__(self) -> None:
        super().__init__()
        self._problems: dict[str, Problem] = {}

    def compose(self) -> ComposeResult:
        yield Rows()

    def on_mount(self) -> None:
        self.query_one(Rows).show(
            [("", toned("? nothing is known yet: asking every node …", "quiet"))]
        )

    @property
    def chosen(self) -> Problem | None:
        """The problem under the cursor; the worst without a cursor."""
        key = self.query_one(Rows).key
        return self._problems.get(key or "", next(iter(self._problems.values()), None))

    def show(self, status: FleetStatus, *, complete: bool) -> None:
        """Show the problems of ``status``.

        :param complete: whether every node was asked. Until then "no problem" is not shown.
        """
        self._problems = {f"{p.code} {p.node} {n}": p for n, p in enumerate(status.problems)}
        rows = [(key, problem_line(problem)) for key, problem in self._problems.items()]
        if not rows and complete:
            rows = [("", Content.assemble(drawn(mark("ok")), " nothing is wrong"))]
        elif not rows:
            rows = [("", toned("? asking every node …", "quiet"))]
        self.query_one(Rows).show(rows)
        title = f"Problems · {len(self._problems)}" if self._problems else "Problems"
        if self.border_title != title:
            self.border_title = title

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        problem = self._problems.get(event.option_id or "")
        if problem:
            self.post_message(self.ProblemOpened(problem))


def problem_line(problem: Problem) -> Content:
    """One line: mark, code, summary, affected nodes, and whether a key repairs it."""
    others = [name for name in problem.affects if name not in problem.summary]
    hit = f" → {', '.join(others)}" if others else ""
    fix = toned("  [f] fix", "busy") if problem.fix and problem.fix.steps else Content("")
    return Content.assemble(
        drawn(mark(problem.severity)),
        " ",
        (problem.code, "bold"),
        f"  {problem.summary}{hit}",
        fix,
    )
