"""The screen of a problem: evidence, affected nodes, repair, and the page of its code."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from fleetctl.model.status import Problem
from fleetctl.problem_pages import page
from fleetctl.quantities import duration
from fleetctl.tui.host import Host
from fleetctl.tui.keymap import with_ids
from fleetctl.tui.screens.page import Page
from fleetctl.tui.sheets import joined, page_text, problem_sheet
from fleetctl.tui.under_cursor import of_problems
from fleetctl.undertakings import Snapshot


class ProblemScreen(Page):
    """One problem."""

    app: Host
    BINDINGS: ClassVar[list[BindingType]] = with_ids(
        [
            Binding("f", "fix", "fix this"),
        ],
        "problem.",
    )

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.problem = problem

    def body(self) -> Widget:
        snapshot: Snapshot | None = self.app.snapshot
        measured = "just now"
        if snapshot and self.problem.node:
            heard = snapshot.heard_at.get(self.problem.node)
            if heard:
                ago = duration(max(0.0, (snapshot.status.generated_at - heard).total_seconds()))
                said = f"{heard.astimezone():%H:%M:%S}, {ago} ago"
                by = self.problem.node
                lost = snapshot.status.nodes[by].state == "unreachable"
                measured = f"here; {by} answered last at {said}" if lost else f"by {by} at {said}"
        parts = [
            *problem_sheet(self.problem, measured),
            page_text(page(self.problem.code), self.app.size.width - 6),
        ]
        box = VerticalScroll(Static(joined(parts), markup=False))
        box.border_title = self.problem.code
        return box

    def action_fix(self) -> None:
        """Close this, and show the commands that repair this problem."""
        self.dismiss()
        self.app.fix(of_problems((self.problem,), self.app.service.job))
