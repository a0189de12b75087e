"""All that is known of one node."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from fleetctl.errors import LinkError
from fleetctl.quantities import duration
from fleetctl.tui.screens.page import Page
from fleetctl.tui.sheets import heading, joined, node_sheet
from fleetctl.tui.tones import toned
from fleetctl.watch import Snapshot

if TYPE_CHECKING:
    from fleetctl.tui.app import FleetApp


class NodeScreen(Page):
    """Expected beside observed; ``o`` shows the commands and what they printed."""

    app: FleetApp
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "raw", "commands and output"),
        Binding("c", "app.check", "check"),
        Binding("f", "app.fix", "fix"),
    ]

    def __init__(self, node: str) -> None:
        super().__init__()
        self.node = node
        self._raw = False

    def body(self) -> Widget:
        box = VerticalScroll(Static(id="text", markup=False))
        box.border_title = self.node
        return box

    def on_mount(self) -> None:
        self.watch(self.app, "snapshot", self._show)

    def _show(self, snapshot: Snapshot | None) -> None:
        if self._raw:
            return
        text = self.query_one("#text", Static)
        if snapshot is None:
            text.update("asking …")
            return
        heard = snapshot.heard_at.get(self.node)
        age = "never"
        if heard:
            age = f"{duration((snapshot.status.generated_at - heard).total_seconds())} ago"
        facts = snapshot.checked.facts.get(self.node)
        text.update(joined(node_sheet(snapshot.status, self.node, facts, age)))

    def action_raw(self) -> None:
        """Commands and output, or the sheet again."""
        self._raw = not self._raw
        if self._raw:
            self.query_one("#text", Static).update(toned("asking …", "busy"))
            self._ask()
        else:
            self._show(self.app.snapshot)

    @work(exclusive=True)
    async def _ask(self) -> None:
        try:
            answers = await self.app.service.raw_answers(self.node)
        except LinkError as error:
            said = toned(str(error), "bad")
        else:
            parts: list[Content] = []
            for answer in answers:
                parts += [heading(answer.name), toned(answer.command, "quiet")]
                parts += [Content(answer.text), toned(f"exit status {answer.exit_status}", "quiet")]
                parts.append(Content(""))
            said = joined(parts)
        if self._raw:
            self.query_one("#text", Static).update(said)
