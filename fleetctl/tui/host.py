"""What the screens may ask of the app that shows them."""

from __future__ import annotations

from msgspec import Struct
from textual.app import App
from textual.reactive import var

from fleetctl.health.changes import FleetChange
from fleetctl.model.jobs import Instance
from fleetctl.service import FleetService, Snapshot
from fleetctl.tui.job_action import JobAction


class Left(Struct, frozen=True):
    """How the dashboard was left."""

    starting: tuple[str, ...] = ()
    """The instances of a start that was not over."""
    again: FleetService | None = None
    """What to open it with again."""


class Host(App[Left]):
    """Owns all state; screens watch it and draw what it holds.

    :param interval_s: seconds from one question to a node to the next.
    """

    snapshot: var[Snapshot | None] = var(None)
    events: var[tuple[FleetChange, ...]] = var(())
    job_action: var[JobAction | None] = var(None)

    def __init__(self, service: FleetService, interval_s: float) -> None:
        super().__init__()
        self.service = service
        self.interval_s = interval_s
        self.action_began_s = 0.0
        """By ``time.monotonic()``, when :attr:`job_action` began."""

    def hurry(self) -> None:
        """Ask every node everything at once."""
        raise NotImplementedError

    def show_node(self, node: str) -> None:
        """All that is known of ``node``."""
        raise NotImplementedError

    def attach(self, instance: Instance) -> None:
        """Lend the terminal to the window of ``instance``; comes back when it is detached."""
        raise NotImplementedError

    def action_fix(self) -> None:
        """Show what would repair what is wrong."""
        raise NotImplementedError

    def every(self, interval_s: float) -> None:
        """Ask each node so often from now on."""
        raise NotImplementedError
