"""Keeping what one watch sees, where no other process on this machine does; and what is kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

from fleetctl.errors import FleetctlError
from fleetctl.finishing import to_the_end
from fleetctl.history.store import Store, key_of
from fleetctl.history.writer_lock import WriterLock
from fleetctl.model.events import Event
from fleetctl.quantities import count
from fleetctl.recording.missed import Missed, enter_past
from fleetctl.recording.recorder import Recorder, events_to_go_on_with
from fleetctl.service import FleetService
from fleetctl.undertakings import Snapshot

LOOK_S = 1.0
"""How often the history is looked at, or the lock tried."""
ACTIONS_S = 60.0
"""How often nodes are asked what controllers noted there."""
SOON_S = 2.0
"""How soon they are asked again at the soonest: it is not known who asked for something new."""
WELL_AFTER_S = 60.0
"""After so long without an error the history is told to be kept again."""
MOST = 2000
"""So many kept events are handed over at most, the newest."""


class Keeping:
    """Keeps what the snapshots of one watch tell, and hands over what is new.

    Only the process with the writer's lock writes. Another shows what that one keeps, and takes
    over when it ends. Files are touched in threads, never in the event loop.

    :param heard: called in the event loop with events that are new, known better or over.
    :param tell: called with a sentence when the history cannot be kept any more, and when it can.
    :param since: as far back kept events are handed over.
    """

    def __init__(
        self,
        service: FleetService,
        heard: Callable[[Sequence[Event]], object],
        tell: Callable[[str], object],
        since: timedelta = timedelta(days=1),
    ) -> None:
        self._service = service
        self._heard = heard
        self._tell = tell
        self._since = since
        self._recorder = Recorder()
        self._lock = WriterLock(service.fleet.name)
        self._store: Store | None = None
        self._missed: Missed | None = None
        self._absent: dict[str, datetime] = {}
        """By node: since when it was not heard, and what it noted since is to be asked."""
        self._shown: dict[str, Event] = {}
        self._troubled_s: float | None = None
        """When there was an error last (monotonic); None: nothing but that all is kept was told."""
        self._newest: Snapshot | None = None
        self._version = -1
        self._records = False
        """Whether the history has what the recorder sees."""
        self._begun = asyncio.Event()
        self._wake = asyncio.Event()
        self._ask = asyncio.Event()
        self._sizes: dict[str, str] = {}

    @property
    def store(self) -> Store | None:
        """What is kept, to be read in a thread; None: it is not open."""
        return self._store

    @property
    def writes(self) -> bool:
        """Whether this process keeps the history."""
        return self._lock.taken

    def take(self, snapshot: Snapshot) -> None:
        """Take the next snapshot; returns at once."""
        self._newest = snapshot
        if self._begun.is_set() and self.mine:
            self._look(snapshot)

    def note(self, event: Event) -> None:
        """Hand over and keep, if this process does, what the observer itself has to say.

        :param event: with a key of its own.
        """
        self._recorder.note(event)
        self._show([event])
        self._wake.set()

    def _look(self, snapshot: Snapshot) -> None:
        if new := self._recorder.look(snapshot):
            self._show(new)
            self._wake.set()
            if self._recorder.asks:
                self._ask.set()

    async def begun(self) -> None:
        """Wait until it is known whether this process keeps the history."""
        await self._begun.wait()

    @property
    def mine(self) -> bool:
        """Whether what happens is told by this process: no other one keeps it for both."""
        return self._records or self._store is None

    def ask_soon(self) -> None:
        """An action ended here: nodes have it noted."""
        self._ask.set()

    async def run(self) -> None:
        """Keep it until cancelled."""
        try:
            await self._begin()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_writing())
                tasks.create_task(self._keep_asking())
                tasks.create_task(self._keep_fetching())
        finally:
            self._close()

    async def _begin(self) -> None:
        with self._told():
            await self._take_lock()
            await self._open()
        self._begun.set()
        if self._newest and self.mine and not self._recorder.looked:
            self._look(self._newest)

    async def _take_lock(self) -> bool:
        """To the end: a lock that a thread takes later nobody would release."""
        return await to_the_end(asyncio.to_thread(self._lock.take))

    async def _open(self) -> None:
        fleet = self._service.fleet
        store = await asyncio.to_thread(Store, fleet.name, limits=fleet.history)
        try:
            self._show(await self._kept(store))
        except FleetctlError:
            store.close()
            raise
        self._store = store
        if self.writes:
            await self._record(store)
        else:  # what was seen before is told by the one that writes
            self._recorder, self._sizes = Recorder(), {}

    async def _record(self, store: Store) -> None:
        """Begin to record, with what still goes on."""
        recorder = self._recorder
        if not recorder.looked:
            recorder.go_on_with(await asyncio.to_thread(events_to_go_on_with, store))
        recorder.store = store
        self._records = True
        self._ask.set()
        if self._newest:
            self._look(self._newest)

    async def _kept(self, store: Store) -> list[Event]:
        since = datetime.now(UTC) - self._since
        return await asyncio.to_thread(store.events, since, most=MOST)

    async def _keep_writing(self) -> None:
        while True:
            with self._told():
                await self._step()
                self._went_well()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
            self._wake.clear()

    async def _step(self) -> None:
        if self._store is None:
            await self._open()
        store = self._store
        assert store
        if self.writes or await self._take_lock():
            if not self._records:
                await self._record(store)
            await self._look_for_gaps()
            await to_the_end(asyncio.to_thread(self._recorder.write))
            if self._recorder.lost:
                self._tell(f"{count(self._recorder.lost, 'event')} could not be kept")
                self._recorder.lost = 0
        elif (now := await asyncio.to_thread(store.version)) != self._version:
            self._version = now
            self._show(await self._kept(store))

    async def _look_for_gaps(self) -> None:
        """Find the nodes that are heard again, before the newest samples say that they are.

        :raises HistoryError: the history cannot be read.
        """
        assert self._store
        if self._newest is None or not self._newest.complete:
            return
        if self._missed is None:
            self._missed = Missed(self._store)
        found = await asyncio.to_thread(self._missed.take, self._newest.status)
        self._absent |= {node: at for node, at in found.items() if node not in self._absent}

    async def _keep_fetching(self) -> None:
        """Enter what nodes noted while they were not watched."""
        while True:
            await asyncio.sleep(SOON_S)
            if self._absent and self._store and self._missed:
                with self._told():
                    await self._fetch(self._store, self._missed)

    async def _fetch(self, store: Store, missed: Missed) -> None:
        """:raises HistoryError: the history cannot be read or written."""
        since, self._absent = self._absent, {}
        found = await self._service.past(since)
        missed.again({node: since[node] for node, one in found.items() if one.error})
        events = [event for one in found.values() for event in one.events]
        if events:
            self._show(await asyncio.to_thread(enter_past, store, events))

    async def _keep_asking(self) -> None:
        """Ask the nodes what controllers noted there, unless another process does."""
        while True:
            self._ask.clear()
            if self.mine:
                told = await self._service.actions(self._sizes)
                self._sizes |= {node: one.size for node, one in told.items() if one.size}
                self._show(self._recorder.heard(told))
                self._wake.set()
            await asyncio.sleep(SOON_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(ACTIONS_S):
                    await self._ask.wait()

    def _show(self, events: Sequence[Event]) -> None:
        new = [event for event in events if self._shown.get(key_of(event)) != event]
        if not new:
            return
        self._shown |= {key_of(event): event for event in new}
        while len(self._shown) > 4000:
            del self._shown[next(iter(self._shown))]
        self._heard(new)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What keeps the history from being kept is told once, until it is kept again."""
        try:
            yield
        except (FleetctlError, OSError) as error:
            if self._troubled_s is None:
                self._tell(f"What happens is not kept: {error}. All else goes on.")
            self._troubled_s = time.monotonic()

    def _went_well(self) -> None:
        if self._troubled_s is not None and time.monotonic() - self._troubled_s >= WELL_AFTER_S:
            self._troubled_s = None
            self._tell("What happens is kept again.")

    def _close(self) -> None:
        """What waits is written, if that can be done at once."""
        if self._store is not None:
            if self.writes and self._recorder.store:
                with suppress(FleetctlError):
                    self._recorder.write(last=True)
            self._store.close()
        self._lock.release()
