"""The dashboard's events: those that it sees, those that are kept, and keeping them."""

from __future__ import annotations

from collections.abc import Iterable

from fleetctl.history.store import key_of
from fleetctl.model.events import Event
from fleetctl.recording.keeping import Keeping
from fleetctl.recording.recorder import Recorder
from fleetctl.tui.background import in_background
from fleetctl.tui.host import Host
from fleetctl.undertakings import Snapshot
from fleetctl.words.events import told

EVENTS_KEPT = 1000


class Recording:
    """Hands events to the app, oldest first, each once.

    :param keep: whether they are kept on this machine; what is kept is shown, too.
    """

    def __init__(self, app: Host, *, keep: bool) -> None:
        self._app = app
        self._keep = keep
        self._recorder = Recorder()
        """Where nothing is kept."""
        self._keeping: Keeping | None = None

    def begin(self) -> None:
        """Show what was seen, read what is kept, and go on with it, beside the dashboard."""
        self._app.events = tuple(told(self._app.seen.events.values()))
        if not self._keep:
            return
        app = self._app

        def tell(sentence: str) -> None:
            app.notify(sentence, title="history", severity="warning", timeout=20, markup=False)

        def failed(why: str) -> None:
            self._keep, self._keeping = False, None
            tell(f"What happens is no longer kept: {why}")

        self._keeping = Keeping(app.service, self.tell, tell)
        in_background(app, self._keeping.run(), title="history", group="history", failed=failed)

    def take(self, snapshot: Snapshot) -> None:
        """Take the next snapshot; returns at once."""
        if self._keeping:
            self._keeping.take(snapshot)
        else:
            self.tell(self._recorder.look(snapshot))

    def action_ended(self, event: Event) -> None:
        """An action of this dashboard ended."""
        self.tell([event])
        if self._keeping:
            self._keeping.ask_soon()

    def tell(self, events: Iterable[Event]) -> None:
        """These are new, known better, or over."""
        new = {key_of(event): event for event in events}
        if not new:
            return
        seen = self._app.seen
        both = {**seen.events, **new}
        newest = sorted(both.items(), key=lambda item: item[1].at)[-EVENTS_KEPT:]
        seen.events = dict(newest)
        self._app.events = tuple(told(seen.events.values()))
