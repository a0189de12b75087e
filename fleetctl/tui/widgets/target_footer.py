"""The last line of the dashboard: what its keys act on, and the keys."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Footer, Static
from textual.widgets._footer import FooterKey

from fleetctl.tui.under_cursor import UnderCursor

_SPARE = frozenset({"app.attach", "app.check", "app.undo", "app.fix_all"})
"""Actions whose keys are named only where there is room."""


class TargetFooter(Footer):
    """A footer that names the row under the cursor before the keys."""

    DEFAULT_CSS = """
    TargetFooter > #target { width: auto; max-width: 20; padding: 0 1; text-wrap: nowrap;
                             text-overflow: ellipsis; text-style: bold; background: $boost; }
    """

    def __init__(self) -> None:
        super().__init__(show_command_palette=False)
        self._target = ""

    def compose(self) -> ComposeResult:
        yield Static(self._target, id="target", markup=False)
        for key in super().compose():
            if isinstance(key, FooterKey):
                key.set_class(key.action in _SPARE, "-spare")
            yield key

    def show(self, under: UnderCursor) -> None:
        """Name what the keys act on."""
        name = f"▸ {under.name}" if under.name else "▸ -"
        if name != self._target:
            self._target = name
            for label in self.query("#target").results(Static):
                label.update(name)
