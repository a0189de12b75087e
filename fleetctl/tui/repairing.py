"""Repairs from the dashboard: what a key is about, and what was repaired so far."""

from __future__ import annotations

from fleetctl.model.repairs import StepOutcome
from fleetctl.tui.host import Host
from fleetctl.tui.under_cursor import UnderCursor


class Repairing:
    """Opens the screens of repairs, which show the commands before they run them."""

    def __init__(self, app: Host) -> None:
        self._app = app

    def fix(self, under: UnderCursor) -> None:
        """Show the commands that repair ``under``."""
        from fleetctl.tui.screens.fix import FixScreen

        every = self._app.key_of("fix_all")
        if nodes := self._repairable(under, f"{every} shows the repairs of all."):
            self._app.push_screen(FixScreen(nodes, under.problems or None))

    def fix_all(self) -> None:
        """Show the commands that repair all that is wrong."""
        from fleetctl.tui.screens.fix import FixScreen

        self._app.push_screen(FixScreen(self._inside))

    def undo(self, under: UnderCursor) -> None:
        """Show the commands that undo the repairs of the nodes of ``under``."""
        from fleetctl.tui.screens.undo import UndoScreen

        every = self._app.key_of("undo_all")
        if nodes := self._repairable(under, f"{every} shows those of all nodes."):
            self._app.push_screen(UndoScreen(nodes))

    def undo_all(self) -> None:
        """Show the commands that undo all repairs."""
        from fleetctl.tui.screens.undo import UndoScreen

        self._app.push_screen(UndoScreen(self._inside))

    def ended(self, outcome: StepOutcome, *, undone: bool) -> None:
        """A command of a repair ended, or of its undo."""
        if outcome.state == "done":
            app, one = self._app, (outcome.node, outcome.code)
            others = tuple(kept for kept in app.repaired if kept != one)
            app.seen.repaired = app.repaired = others if undone else (*others, one)

    @property
    def _inside(self) -> list[str]:
        nodes = self._app.service.fleet.nodes
        return [name for name, node in nodes.items() if node.connection != "none"]

    def _repairable(self, under: UnderCursor, instead: str) -> list[str]:
        """The nodes of ``under`` that can be logged into; says so if there is none."""
        nodes = [name for name in self._inside if name in under.nodes]
        if under.problems:
            return list(under.nodes) or self._inside
        if not under.name:
            self._app.notify(f"The cursor is on no node and no problem. {instead}")
        elif not nodes:
            self._app.notify(f"{under.name} cannot be logged into.")
        return nodes
