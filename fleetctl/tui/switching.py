"""Choosing the job that the dashboard shows."""

from __future__ import annotations

from collections.abc import Mapping

from fleetctl.model.status import JobStatus
from fleetctl.tui.host import Host
from fleetctl.tui.screens.choice import Choice, FilteredChoiceScreen
from fleetctl.words.jobs import job_line


class Switching:
    """Asks for the job, and has the app show it."""

    def __init__(self, app: Host) -> None:
        self._app = app

    def ask(self) -> None:
        """Show the jobs of nodes.yaml with their states, to choose one."""
        app = self._app
        service, action = app.service, app.job_action
        if service.job is None or len(service.fleet.jobs) < 2:
            app.notify("nodes.yaml has no other job; describe one under jobs: in it.")
            return
        if action and not action.ended:
            app.notify(f"Not while a {action.kind} goes on; o shows it.")
            return
        shown = service.job.name
        known = self._known(shown)
        wide = max(map(len, service.fleet.jobs))
        choices = [
            Choice(name, f"{name.ljust(wide)}  {job_line(known[name]) if name in known else '…'}")
            for name in service.fleet.jobs
        ]

        def answered(name: str | None) -> None:
            if name and name != shown:
                app.switch(service.fleet.jobs[name])

        body = f"{shown} is shown now. What runs on the nodes runs on."
        app.push_screen(FilteredChoiceScreen("Jobs", body, choices, shown), answered)

    def _known(self, shown: str) -> Mapping[str, JobStatus]:
        if self._app.snapshot is None:
            return {}
        status = self._app.snapshot.status
        return {**status.jobs, shown: JobStatus(status.services)}
