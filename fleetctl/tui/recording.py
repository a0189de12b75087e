"""What the dashboard sees, and what is kept: events and values, and keeping them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from fleetctl.health.samples import samples
from fleetctl.history.store import key_of
from fleetctl.model.events import Event
from fleetctl.recording.keeping import Keeping
from fleetctl.recording.recorder import LinkLooks, Recorder
from fleetctl.tui.background import in_background
from fleetctl.tui.host import Host
from fleetctl.tui.past.memory import Memory
from fleetctl.tui.past.stretch import Stretch, Wanted, read
from fleetctl.undertakings import Snapshot
from fleetctl.words.events import told

EVENTS_KEPT = 1000


class Recording:
    """Hands events to the app, oldest first, each once, and stretches of the past when asked.

    :param keep: whether they are kept on this machine; what is kept is shown, too.
    """

    def __init__(self, app: Host, *, keep: bool) -> None:
        self._app = app
        self._keep = keep
        self._recorder = Recorder()
        """Where nothing is kept."""
        self._keeping: Keeping | None = None
        self._memory = Memory()
        """Of what is measured while there is no history."""
        self._looks = LinkLooks()

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
        at_s = snapshot.status.generated_at.timestamp()
        kept = self._keeping is not None and self._keeping.store is not None
        if not kept and snapshot.complete:
            links = self._looks.new(snapshot)
            if self._memory.due(at_s):
                self._memory.take(at_s, samples(snapshot.checked))
            else:
                self._memory.add(links)

    async def past(self, since_s: float, until_s: float, wanted: Wanted) -> Stretch:
        """What is known of a stretch of time; the history is read in a thread."""
        store = self._keeping.store if self._keeping else None
        return await asyncio.to_thread(read, store, self._memory, since_s, until_s, wanted)

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
