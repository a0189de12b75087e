"""The last line of the dashboard: what its keys act on, and the keys."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
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
        self._shown: list[tuple[Binding, bool]] | None = None

    def _keys(self) -> list[tuple[Binding, bool]]:
        """The keys to be named, and whether each may be pressed now."""
        bindings = self.screen.active_bindings.values()
        return [(bound.binding, bound.enabled) for bound in bindings if bound.binding.show]

    async def recompose(self) -> None:
        """Textual asks for it whenever the focus moves; mostly the keys stay the same."""
        if self._keys() != self._shown:
            await super().recompose()

    def compose(self) -> ComposeResult:
        self._shown = self._keys() if self._bindings_ready else None
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
