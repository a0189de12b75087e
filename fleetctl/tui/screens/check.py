"""Which node reaches which, expected against observed, for every network."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from fleetctl.tui.host import Host
from fleetctl.tui.keymap import with_ids
from fleetctl.tui.screens.page import Page
from fleetctl.tui.sheets import check_sheet, joined
from fleetctl.tui.tones import toned
from fleetctl.tui.widgets.problems_panel import problem_line
from fleetctl.undertakings import Snapshot


class CheckScreen(Page):
    """The matrices and the problems; ``c`` asks every node again."""

    app: Host
    BINDINGS: ClassVar[list[BindingType]] = with_ids(
        [Binding("c", "again", "check again"), Binding("f,F", "app.fix_all", "fix all")], "check."
    )

    def body(self) -> Widget:
        box = VerticalScroll(Static(id="text", markup=False))
        box.border_title = "Check · which node reaches which"
        return box

    def on_mount(self) -> None:
        self.watch(self.app, "snapshot", self._show)

    def action_again(self) -> None:
        """Ask every node everything at once."""
        self.app.hurry()

    def _show(self, snapshot: Snapshot | None) -> None:
        text = self.query_one("#text", Static)
        if snapshot is None:
            text.update(toned("asking …", "busy"))
            return
        parts = list(check_sheet(snapshot.status, self.size.width - 4))
        if snapshot.status.problems:
            parts += [Content(""), *map(problem_line, snapshot.status.problems)]
        text.update(joined(parts))
