"""What the dashboard is fed by: a watch of the fleet, and the logs of each job that was shown."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fleetctl.tui.background import in_background
from fleetctl.tui.between_keys import BetweenKeys
from fleetctl.tui.host import Host
from fleetctl.tui.known import Known, show_known
from fleetctl.tui.messages import SourceFailed
from fleetctl.tui.sources import follow_logs, watch_fleet
from fleetctl.undertakings import Watching

LOG_LINES = 1000
"""Past lines of each log that are read at first."""
AGAIN_S = 5.0


class Following:
    """The sources of one dashboard; each is begun anew when it fails.

    :param known: what a `fleetctl serve` knows, until all nodes have been asked; None: nothing.
    """

    def __init__(self, app: Host, known: Known | None) -> None:
        self._app = app
        self._known = known
        self._watching: Watching | None = None
        self.between_keys = BetweenKeys()
        """Must be told of each key."""
        self._begin: dict[str, Callable[[], None]] = {}
        """By name of a source that runs, or will again."""

    def watch(self) -> None:
        """Watch the fleet, and the job that is shown."""
        app = self._app
        self._watching = watching = app.service.watch(app.interval_s)
        self._begin["fleet"] = self.watch
        self._run("fleet", watch_fleet(watching, app.post_message, self.between_keys.wait))
        if self._known and app.snapshot is None:
            work = show_known(self._known, app.service, app.post_message)
            in_background(app, work, title="fleetctl serve", group="known", exclusive=True)

    def hurry(self) -> None:
        """Ask every node everything at once."""
        if self._watching:
            self._watching.hurry()

    def follow(self) -> None:
        """Follow the logs of the job that is shown, also while others are."""
        service = self._app.service
        name = f"logs of {service.job.name}" if service.job else "logs"
        if name in self._begin:
            return

        def begin() -> None:
            self._run(name, follow_logs(service, LOG_LINES, self._app.post_message))

        self._begin[name] = begin
        begin()

    def _run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        def failed(why: str) -> None:
            self._app.post_message(SourceFailed(name, why))

        title = f"watching the {name}"
        in_background(self._app, work, title=title, group=name, exclusive=True, failed=failed)

    def failed(self, message: SourceFailed) -> None:
        """Say so, and begin it anew."""
        self._app.notify(
            f"{message.why} It is begun anew in {AGAIN_S:g} seconds.",
            title=f"Watching the {message.source} broke",
            severity="error",
            timeout=20,
            markup=False,
        )
        self._app.set_timer(AGAIN_S, self._begin[message.source])
