"""The demo's line: what was broken, what to look for, what repairs it."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from fleetctl.demo import Scenario
from fleetctl.tui.tones import toned


class GuideLine(Static):
    """Shown in a demo only."""

    DEFAULT_CSS = """
    GuideLine { height: auto; max-height: 4; padding: 0 1; background: $boost; display: none; }
    """

    def greet(self, note: str, *, kept: bool) -> None:
        """Show the greeting, while nothing is broken.

        :param note: what this demo's fleet cannot show, or what was mended.
        :param kept: whether the fleet outlives the dashboard.
        """
        self.display = True
        then = "it runs on" if kept else "all of it is gone"
        hint = f"This is a demo fleet. d: a tour of things to break · q: leave, and {then}."
        self.update(Content.assemble(hint, toned(f" {note}", "quiet") if note else ""))

    def show(self, scenario: Scenario, said: str) -> None:
        """Show what ``scenario`` broke."""
        heal = " h: mend it ·" if scenario.repair == "heal" else ""
        self.update(
            Content.assemble(
                (said, "bold"),
                f" {scenario.look} ",
                toned(f"{scenario.remedy}{heal} d: the tour", "quiet"),
            )
        )
