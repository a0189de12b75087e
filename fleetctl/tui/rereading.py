"""nodes.yaml, which may change while the dashboard is open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fleetctl.errors import FleetctlError
from fleetctl.service import FleetService
from fleetctl.tui.host import Host, Left

EVERY_S = 3.0
"""How often nodes.yaml is checked for changes, with one stat(2)."""


class NodesFile(Protocol):
    """nodes.yaml, which may change while the dashboard is open."""

    def news(self) -> bool:
        """Whether it changed since the last call, or the last :meth:`read`."""

    def read(self) -> FleetService:
        """The service of the file as it is now.

        :raises FleetctlError: the file is missing or wrong.
        """

    def notes(self) -> Sequence[str]:
        """What the user should know of the file before anything is connected to, each told once."""


class Rereading:
    """Says when the file was changed, and opens the dashboard anew with it."""

    def __init__(self, app: Host, file: NodesFile) -> None:
        self._app = app
        self._file = file

    def begin(self) -> None:
        """Look at the file from now on."""
        self._tell_notes()
        self._app.set_interval(EVERY_S, self._look)

    def _tell_notes(self) -> None:
        for note in self._file.notes():
            self._app.notify(note, title="note", timeout=20, markup=False)

    def _look(self) -> None:
        self._tell_notes()
        if self._file.news():
            self._app.notify("Ctrl-p, then: Read nodes.yaml again.", title="nodes.yaml was changed")

    def reread(self) -> None:
        """Open the dashboard again with nodes.yaml as it is now; with a mistake in it, go on."""
        app = self._app
        if app.job_action and not app.job_action.ended:
            app.notify(f"Not while a {app.job_action.kind} goes on; o shows it.")
            return
        try:
            again = self._file.read()
            job = again.fleet.jobs.get(app.service.job.name) if app.service.job else None
            app.seen.keep_nodes(again.fleet.nodes)
            app.exit(Left(again=again.with_job(job) if job else again))
        except FleetctlError as error:
            app.notify(
                str(error),
                title="nodes.yaml is not taken as it is; all goes on as before",
                severity="error",
                timeout=20,
                markup=False,
            )
