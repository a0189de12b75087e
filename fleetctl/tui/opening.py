"""The keys that open a screen over the dashboard. Screens are imported when they are opened, or
some time after the dashboard is drawn: they would delay its first frame."""

from __future__ import annotations

from fleetctl.tui.host import Host
from fleetctl.tui.screens.action import ActionScreen


class Opening(Host):
    """Base of the app: what these keys do."""

    def action_open_action(self) -> None:
        """Show the current or last start or stop."""
        if self.job_action:
            self.push_screen(ActionScreen())
        else:
            self.notify("Nothing was started or stopped here yet.")

    def show_node(self, node: str) -> None:
        """Show all that is known of ``node``."""
        from fleetctl.tui.screens.node import NodeScreen

        self.push_screen(NodeScreen(node))

    def action_check(self) -> None:
        """Ask everything, and show which node reaches which."""
        from fleetctl.tui.screens.check import CheckScreen

        self.hurry()
        self.push_screen(CheckScreen())

    def action_training(self) -> None:
        """Show how far each rank is, and what the loss did."""
        from fleetctl.tui.screens.training import TrainingScreen

        self.push_screen(TrainingScreen())

    def action_links(self) -> None:
        """Show every link and path over time."""
        from fleetctl.tui.screens.links import LinksScreen

        self.push_screen(LinksScreen())

    def action_bench(self) -> None:
        """Offer to measure what the links carry."""
        from fleetctl.tui.screens.bench import BenchScreen

        self.push_screen(BenchScreen())

    def show_bench(self) -> None:
        from fleetctl.tui.screens.bench import BenchScreen

        self.push_screen(BenchScreen(begin=True))

    def action_events(self) -> None:
        """Show what changed, also before the dashboard was opened, as a timeline."""
        from fleetctl.tui.screens.timeline import TimelineScreen

        self.push_screen(TimelineScreen())

    def action_help(self) -> None:
        """Show the keys."""
        from fleetctl.tui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.screen.active_bindings.values()))
