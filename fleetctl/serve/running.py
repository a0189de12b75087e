"""One run of a server in the foreground: its lock, its socket, its file, its end."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import Struct

from fleetctl import __version__
from fleetctl.alerts.alerting import Alerting
from fleetctl.errors import ConfigError, FleetctlError, UsageError
from fleetctl.fleet import LiveFleet
from fleetctl.history.writer_lock import WriterLock
from fleetctl.link.warm.messages import nodes_digest
from fleetctl.link.warm.place import NotPrivate
from fleetctl.local_files import read_bounded, write_private
from fleetctl.model.events import Event
from fleetctl.model.jobs import Job
from fleetctl.model.layout import serve_dir
from fleetctl.serve.door import Door, make_private
from fleetctl.serve.newest import Newest
from fleetctl.serve.observing import Observing, OnSnapshot, Say, line
from fleetctl.serve.server import Served, Server
from fleetctl.undertakings import Snapshot

FILE_CHECK_S = 1.0
"""Interval of looks at the file."""
LOCK_S = 1.0
"""How long a lock is tried: `--status` has it for a moment."""
_MOST_FILE = 1024 * 1024


class Running(FleetctlError):
    """Another process serves the fleet already."""


class Watched(Protocol):
    """A nodes.yaml that may change."""

    def path(self) -> Path:
        """:raises ConfigError: there is none."""

    def news(self) -> bool:
        """Whether it changed since the last call, or the last :meth:`read`."""

    def read(self) -> LiveFleet:
        """:raises FleetctlError: it, or the chosen job, cannot be used."""

    def jobs(self, service: LiveFleet) -> tuple[Job, ...]:
        """Those that are watched of what was read; that of ``service`` is the first."""

    def notes(self) -> list[str]:
        """What the user should know of what was read."""


class Beside(Protocol):
    """What else is served while a server runs."""

    async def take(self, snapshot: Snapshot, events: Sequence[Event]) -> None:
        """See :data:`OnSnapshot`."""

    def open(
        self, fleet: str, newest: Callable[[], Newest | None]
    ) -> AbstractAsyncContextManager[None]:
        """Serve it while the context is open.

        :param newest: the newest status, if anything is watched at the moment.
        :raises FleetctlError: it cannot be served.
        """


class Info(Struct, frozen=True):
    """A server that runs."""

    pid: int
    since: datetime
    version: str
    fleet: str
    job: str | None
    """The only one that is watched; None: all are."""
    file: str


class _Read(Struct, frozen=True):
    """A nodes.yaml, and its bytes."""

    service: LiveFleet
    jobs: tuple[Job, ...]
    path: str
    content: bytes

    @property
    def only_job(self) -> str | None:
        """The only one that is watched, where there are others."""
        others = len(self.service.fleet.jobs) > len(self.jobs)
        return self.jobs[0].name if self.jobs and others else None


def _read(file: Watched) -> _Read:
    """:raises FleetctlError: it cannot be used."""
    while True:
        path = file.path()
        try:
            before = read_bounded(path, _MOST_FILE)
            service = file.read()
            if read_bounded(path, _MOST_FILE) == before:
                return _Read(service, file.jobs(service), os.path.realpath(path), before)
        except OSError as error:
            raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None


def lock_of(fleet: str) -> WriterLock:
    """The lock of the server of ``fleet``.

    :raises FleetctlError: its folder is not this user's alone.
    """
    folder = Path(serve_dir(fleet)).expanduser()
    try:
        make_private(str(folder))
    except (OSError, NotPrivate) as error:
        raise FleetctlError(
            f"{folder} cannot be used: {error}", hint="It must be a folder of this user's alone."
        ) from None
    return WriterLock(fleet, folder / "lock")


def running(fleet: str) -> Info | None:
    """The server of ``fleet`` that runs on this machine, if one does.

    :raises FleetctlError: that cannot be known.
    """
    lock = lock_of(fleet)
    if lock.take():
        lock.release()
        return None
    try:
        return msgspec.json.decode(read_bounded(_info(fleet), _MOST_FILE), type=Info)
    except (OSError, msgspec.MsgspecError):
        return Info(lock.holder or 0, datetime.now(UTC), __version__, fleet, None, "?")


def _info(fleet: str) -> Path:
    return Path(serve_dir(fleet)).expanduser() / "info"


class Serving:
    """
    :param say: takes one line for each event, and for what the user should know.
    :param on_snapshot: what else is to be done with what is seen.
    :param beside: what else is served.
    """

    def __init__(
        self,
        file: Watched,
        interval_s: float,
        say: Say,
        on_snapshot: tuple[OnSnapshot, ...] = (),
        beside: Sequence[Beside] = (),
    ) -> None:
        self._file = file
        self._interval_s = interval_s
        self._say = say
        self._on_snapshot = (*on_snapshot, *(one.take for one in beside))
        self._beside = beside
        self._server = Server()
        self._observing: Observing | None = None
        self._ending = asyncio.Event()
        self._look = asyncio.Event()
        self._again = False
        self._unusable = False

    def _note(self, event: Event) -> None:
        """Tell, and keep if that can be done, what the server itself has to say."""
        if self._observing:
            self._observing.note(event)
        else:
            self._say(line(event))

    def end(self) -> None:
        """Let :meth:`run` return."""
        self._ending.set()
        self._look.set()

    def look(self) -> None:
        """Read the file again now, also if it seems to be the same."""
        self._again = True
        self._look.set()

    async def run(self) -> None:
        """Serve until :meth:`end`.

        :raises Running: another process does.
        :raises FleetctlError: the file cannot be used, or the socket not made.
        """
        read = _read(self._file)
        self._tell_notes()
        fleet = read.service.fleet.name
        lock = lock_of(fleet)
        await self._lock(lock)
        try:
            now, job = datetime.now(UTC), read.only_job
            info = Info(os.getpid(), now, __version__, fleet, job, read.path)
            with suppress(OSError):
                write_private(_info(fleet), msgspec.json.encode(info))
            alerting = Alerting(read.service.fleet, self._note)
            async with Door(fleet, self._server.take) as door, AsyncExitStack() as stack:
                self._say(f"serving {fleet} (process {info.pid}) at {door.path}")
                for one in self._beside:
                    await stack.enter_async_context(one.open(fleet, self._server.newest))
                await self._serve(read, alerting)
        finally:
            lock.release()

    async def _lock(self, lock: WriterLock) -> None:
        deadline_s = time.monotonic() + LOCK_S
        while not lock.take():
            if time.monotonic() > deadline_s:
                raise Running(
                    f"process {lock.holder} serves this fleet already, on this machine",
                    hint="One is enough; fleetctl serve --status tells of it.",
                )
            await asyncio.sleep(0.05)

    async def _serve(self, read: _Read, alerting: Alerting) -> None:
        """Serve what the file says, and what it says when it changes, until the end."""
        sending = asyncio.create_task(alerting.run())
        sending.add_done_callback(lambda _: self.end())
        try:
            await self._follow(read, alerting)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            if not sending.cancelled() and (error := sending.exception()):
                raise error

    async def _follow(self, read: _Read, alerting: Alerting) -> None:
        served: Served | None = None
        while True:
            observing = Observing(read.service, read.jobs, self._interval_s, self._say)
            self._observing = observing
            alerting.follow(read.service.fleet, read.service.links)
            observing.on_snapshot.extend((alerting.on_snapshot, *self._on_snapshot))
            served = Served(read.service, observing.newest, read.path, read.content, served)
            self._server.serve(served)
            watching = asyncio.create_task(observing.run())
            try:
                again = await self._changed(watching, read)
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
                if not watching.cancelled() and (error := watching.exception()):
                    raise error
            if again is None:
                self._server.serve(None)
                await read.service.__aexit__(None, None, None)
                return
            if nodes_digest(again.service.fleet) == served.digest:
                service = read.service.renewed(again.service.fleet, again.service.job)
                read = _Read(service, again.jobs, again.path, again.content)
            else:
                self._server.serve(None)
                await read.service.__aexit__(None, None, None)
                read, served = again, None
            self._say(f"{read.path} has changed, and is taken up")

    async def _changed(self, watching: asyncio.Task[None], now: _Read) -> _Read | None:
        """What the file says once it has changed and can be used; None: it is time to end."""
        while not self._ending.is_set() and not watching.done():
            looking = asyncio.create_task(self._look.wait())
            await asyncio.wait(
                (watching, looking), timeout=FILE_CHECK_S, return_when=asyncio.FIRST_COMPLETED
            )
            looking.cancel()
            self._look.clear()
            if self._ending.is_set() or watching.done():
                return None
            if self._file.news() or self._again:
                self._again = False
                if found := self._taken_up(now):
                    return found
        return None

    def _taken_up(self, now: _Read) -> _Read | None:
        """What the file says now, if that is new and can be used."""
        try:
            found = _read(self._file)
        except (ConfigError, UsageError) as error:
            why = error.mistakes[0] if isinstance(error, ConfigError) else str(error)
            self._say(f"{now.path} has changed and cannot be used, so the former goes on: {why}")
            self._unusable = True
            return None
        self._tell_notes()
        mended, self._unusable = self._unusable, False
        if found.content == now.content and found.path == now.path:
            if mended:
                self._say(f"{now.path} says again what is in use")
            return None
        if found.service.fleet.name != now.service.fleet.name:
            self._say(
                f"{now.path} is about fleet {found.service.fleet.name} now, so the former goes on: "
                "restart fleetctl serve"
            )
            return None
        return found

    def _tell_notes(self) -> None:
        for note in self._file.notes():
            self._say(f"note: {note}")
