"""What the screens may ask of the app that shows them."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from textual import actions
from textual.actions import ActionParseResult
from textual.app import App
from textual.dom import DOMNode
from textual.reactive import var

from fleetctl.model.events import Event
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.repairs import StepOutcome
from fleetctl.model.sudo import SudoPassword
from fleetctl.service import FleetService
from fleetctl.tui.job_action import JobAction
from fleetctl.tui.kept import Kept
from fleetctl.tui.limits import Limits
from fleetctl.tui.past.stretch import Stretch, Wanted
from fleetctl.tui.preferences import Preferences
from fleetctl.tui.read_only import read_only
from fleetctl.tui.seen import Seen
from fleetctl.tui.under_cursor import UnderCursor
from fleetctl.undertakings import Snapshot


class Left(Struct, frozen=True):
    """How the dashboard was left."""

    starting: tuple[str, ...] = ()
    """The instances of a start that was not over."""
    again: FleetService | None = None
    """Open it again with this service; None: end."""


class Host(App[Left]):
    """Owns all state; screens watch it and draw what it holds.

    :param interval_s: seconds between two looks at a node.
    :param kept: how it was left the last time.
    :param limits: what is not done here; see :meth:`may`.
    :param preferences: what stands in tui.toml.
    :param seen: what the one before has seen, which this takes the place of.
    """

    snapshot: var[Snapshot | None] = var(None)
    events: var[tuple[Event, ...]] = var(())
    job_action: var[JobAction | None] = var(None)
    repaired: var[tuple[tuple[str, str], ...]] = var(())
    """Node and code of what was repaired from this dashboard and not undone, oldest first."""

    def __init__(
        self,
        service: FleetService,
        interval_s: float,
        kept: Kept | None = None,
        *,
        limits: Limits | None = None,
        preferences: Preferences | None = None,
        seen: Seen | None = None,
    ) -> None:
        super().__init__()
        self.seen = seen or Seen()
        self.preferences = preferences or Preferences()
        self.limits = limits or Limits()
        self.kept = kept or Kept()
        self.service = read_only(service) if self.limits.read_only else service
        self.interval_s = interval_s
        self.action_began_s = 0.0
        """When :attr:`job_action` began, by ``time.monotonic()``."""

    def may(self, action: str) -> bool:
        """Whether ``action`` is done by this dashboard; where not, it says so.

        Actions of keys, the palette and the mouse have been asked for here. What begins otherwise,
        such as by the answer to a question, asks.
        """
        why = self.limits.refusal(action)
        if why:
            self.notify(why, severity="warning", markup=False)
        return not why

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Run an action by its name, unless it is refused here."""
        name = (actions.parse(action) if isinstance(action, str) else action)[1]
        if not self.may(name):
            return True
        return await super().run_action(action, default_namespace, namespaces)

    def key_of(self, action: str) -> str:
        """The key for ``action``, by its name in tui.toml, as it is shown; empty: it has none."""
        raise NotImplementedError

    def keep(self, kept: Kept) -> None:
        """Keep ``kept`` for the next time."""
        raise NotImplementedError

    def switch(self, job: Job) -> None:
        """Show ``job`` in place of the one that is shown."""
        raise NotImplementedError

    def hurry(self) -> None:
        """Ask every node everything at once."""
        raise NotImplementedError

    def show_node(self, node: str) -> None:
        """Show all that is known of ``node``."""
        raise NotImplementedError

    def choose_node(self, node: str) -> None:
        """Put the cursor of the dashboard on ``node``."""
        raise NotImplementedError

    def attach(self, instance: Instance, *, read_only: bool) -> None:
        """Attach the terminal to the tmux window of ``instance``, until the user detaches."""
        raise NotImplementedError

    def count_use(self, command: str) -> None:
        """A command of the palette was used."""
        raise NotImplementedError

    async def ask_password(self) -> SudoPassword:
        """Ask for the password of sudo on the nodes, on the lent terminal.

        :raises UsageError: none was typed, or the terminal cannot be lent.
        """
        raise NotImplementedError

    def repair_ended(self, outcome: StepOutcome, *, undone: bool) -> None:
        """A command of a repair ended, or of its undo."""
        raise NotImplementedError

    @property
    def under_cursor(self) -> UnderCursor:
        """What keys of the dashboard act on."""
        raise NotImplementedError

    def fix(self, under: UnderCursor) -> None:
        """Show the commands that repair ``under``."""
        raise NotImplementedError

    def leave(self, return_code: int = 0) -> None:
        """Leave at once, without asking."""
        raise NotImplementedError

    def action_stop(self) -> None:
        """Stop, after asking; while a start goes on: end that."""
        raise NotImplementedError

    def action_open_action(self) -> None:
        """Show the current or last start or stop."""
        raise NotImplementedError

    async def past(self, since_s: float, until_s: float, wanted: Wanted) -> Stretch:
        """What is known of a stretch of time, in seconds since 1970."""
        raise NotImplementedError

    def show_logs_at(self, at_s: float) -> None:
        """Go back to the dashboard, with its logs at that time, in seconds since 1970."""
        raise NotImplementedError

    def show_log(self, instance: str) -> None:
        """Go back to the dashboard, with the log of ``instance``."""
        raise NotImplementedError

    def show_bench(self) -> None:
        """Measure the links, and show what comes."""
        raise NotImplementedError

    def every(self, interval_s: float) -> None:
        """Ask each node every ``interval_s`` seconds from now on."""
        raise NotImplementedError
