"""The rows of a start's screen."""

from __future__ import annotations

from fleetctl.model.progress import Progress
from fleetctl.tui.job_action import JobAction
from fleetctl.tui.screens.action import action_rows


def test_the_last_lines_of_a_failed_instance_stand_below_it() -> None:
    step = Progress("start", "api@pi4", "failed", "exit code 1", 2.0, ("Traceback:", "  [b]x"))
    action = JobAction(1, "start", ("api@pi4",)).with_progress(step).over()
    ((_, row),) = action_rows(action, 2.0, 80)
    assert row.plain.endswith("✖ failed  exit code 1\n    Traceback:\n      [b]x")
