"""The screen of one node: all that is known of it."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from fleetctl.quantities import duration
from fleetctl.tui.background import in_background
from fleetctl.tui.host import Host
from fleetctl.tui.keymap import with_ids
from fleetctl.tui.screens.page import Page
from fleetctl.tui.sheets import heading, joined, node_sheet
from fleetctl.tui.tones import toned
from fleetctl.tui.under_cursor import UnderCursor
from fleetctl.undertakings import Snapshot


class NodeScreen(Page):
    """Expected beside observed; ``o`` shows the commands and what they printed."""

    app: Host
    BINDINGS: ClassVar[list[BindingType]] = with_ids(
        [
            Binding("o", "raw", "commands and output"),
            Binding("c", "app.check", "check"),
            Binding("f", "fix", "fix this node"),
            Binding("left_square_bracket", "go(-1)", "node before"),
            Binding("right_square_bracket", "go(1)", "next node"),
        ],
        "node.",
    )

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
        bars = self.app.seen.usage_bars(self.node)
        wide = self.app.size.width - 6
        text.update(joined(node_sheet(snapshot.status, self.node, facts, age, bars, wide)))

    def action_go(self, step: int) -> None:
        """Show the next node, or the one before, in the order of nodes.yaml."""
        names = list(self.app.service.fleet.nodes)
        self.node = names[(names.index(self.node) + step) % len(names)]
        self._raw = False
        box = self.query_one(VerticalScroll)
        box.border_title = self.node
        box.scroll_home(animate=False)
        self.app.choose_node(self.node)
        self._show(self.app.snapshot)

    def action_fix(self) -> None:
        """Show the commands that repair this node."""
        self.app.fix(UnderCursor(self.node, (self.node,)))

    def action_raw(self) -> None:
        """Switch between the commands with their output and the sheet."""
        self._raw = not self._raw
        if self._raw:
            self.query_one("#text", Static).update(toned("asking …", "busy"))
            in_background(
                self,
                self._ask(),
                title=f"asking {self.node}",
                group="ask",
                exclusive=True,
                failed=self._not_asked,
            )
        else:
            self._show(self.app.snapshot)

    async def _ask(self) -> None:
        parts: list[Content] = []
        node = self.node
        for answer in await self.app.service.raw_answers(node):
            parts += [heading(answer.name), toned(answer.command, "quiet")]
            parts += [Content(answer.text), toned(f"exit status {answer.exit_status}", "quiet")]
            parts.append(Content(""))
        if node == self.node:  # another one may be shown meanwhile
            self._show_raw(joined(parts))

    def _not_asked(self, why: str) -> None:
        self._show_raw(toned(why, "bad"))

    def _show_raw(self, said: Content) -> None:
        if self._raw:
            self.query_one("#text", Static).update(said)
