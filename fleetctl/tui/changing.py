"""The keys that change the fleet: start, stop, restart, repair, undo."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from textual import on

from fleetctl.model.events import Event
from fleetctl.model.repairs import StepOutcome
from fleetctl.tui.acting import Acting
from fleetctl.tui.host import Host
from fleetctl.tui.messages import JobActionEnded, JobProgressed
from fleetctl.tui.recording import Recording
from fleetctl.tui.repairing import Repairing
from fleetctl.tui.targets import ALL
from fleetctl.tui.under_cursor import UnderCursor


class Changing(Host):
    """Base of the app: what these keys do, and what becomes of it."""

    recording: Recording

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.acting = Acting(self)
        self.repairing = Repairing(self)

    # start, stop, restart

    def action_start(self) -> None:
        """Start the job, or what the cursor is on."""
        self.acting.ask_which("start", ALL)

    def action_stop(self) -> None:
        """Stop, after asking; while a start goes on: end that."""
        self.acting.ask_which("stop", "")

    def action_restart(self) -> None:
        """Restart, after asking."""
        self.acting.ask_which("restart", "")

    def action_interrupt(self) -> None:
        """Ctrl-C: ask how a start is to end; it does not leave."""
        if self.acting.starting:
            self.acting.ask_to_end()
        else:
            self.notify("To leave: q. What was started runs on.")

    @on(JobProgressed)
    def _progressed(self, message: JobProgressed) -> None:
        if self.job_action and self.job_action.number == message.number:
            self.job_action = self.job_action.with_progress(message.progress)

    @on(JobActionEnded)
    def _action_ended(self, message: JobActionEnded) -> None:
        if self.job_action and self.job_action.number == message.number:
            action = self.job_action.over(message.error, given_up=message.given_up)
            self.job_action = action
            key = self.acting.key
            said = Event(datetime.now(UTC), action.outcome, action.summary, "action", key=key)
            self.recording.action_ended(said)
            self.hurry()
            self.acting.is_over()

    # repairs

    def action_fix(self) -> None:
        """Show the commands that repair what the cursor is on."""
        self.repairing.fix(self.under_cursor)

    def fix(self, under: UnderCursor) -> None:
        self.repairing.fix(under)

    def action_fix_all(self) -> None:
        """Show the commands that repair all that is wrong."""
        self.repairing.fix_all()

    def repair_ended(self, outcome: StepOutcome, *, undone: bool) -> None:
        self.repairing.ended(outcome, undone=undone)

    def action_undo(self) -> None:
        """Show the commands that undo the repairs of the node under the cursor."""
        self.repairing.undo(self.under_cursor)

    def action_undo_all(self) -> None:
        """Show the commands that undo all repairs."""
        self.repairing.undo_all()
