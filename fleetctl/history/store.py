"""The history of one fleet: samples and events in SQLite, in ``~/.local/state/fleetctl/FLEET/``.

One process writes (see :mod:`fleetctl.history.writer_lock`); any number read meanwhile.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from fleetctl.history.blocks import Block
from fleetctl.history.file import (
    LEVELS,
    HistoryError,
    UnusableFile,
    free_bytes,
    identity,
    is_damaged,
    is_full,
    keep_reserve,
    open_to_read,
    open_to_write,
    opening_alone,
    put_aside,
    reserve_of,
)
from fleetctl.history.thinning import drop_oldest, give_back, thin, used_bytes
from fleetctl.model.events import Event
from fleetctl.model.history_limits import HistoryLimits
from fleetctl.model.layout import history_file
from fleetctl.model.samples import Point, Sample, Series, SeriesKind

__all__ = ["LEVELS", "STEP_S", "HistoryError", "Store", "Watched", "history_path", "key_of"]

STEP_S = LEVELS[0]
"""The shortest stretch for which samples are kept, in seconds."""
THIN_EVERY_S = 60.0
SETTLED_S = 300.0
"""For so long a watch goes on before anything is dropped for its age: a clock that is wrong for a
moment, as after a boot, must not cost the history."""
_MOST_SERIES = 50_000
"""Further ones are not kept: names that change with every run must not fill the file."""
_TRIES = 8
"""How often room is made for one write."""


class Watched(Struct, frozen=True):
    """A stretch of time in which the fleet was watched, in seconds since 1970."""

    from_s: float
    until_s: float


def history_path(fleet: str) -> Path:
    """The file of the fleet with that name."""
    return Path(history_file(fleet)).expanduser()


class Store:
    """The history of one fleet. May be used by several threads.

    A file that cannot be used is put aside by the one that writes, and a new one begun; where there
    is no room the oldest is dropped.

    :param fleet: its name.
    :param path: another file than the fleet's own.
    :param limits: how much is kept.
    :param reading: only read; the file must be there.
    :raises HistoryError: it cannot be opened; the sentence says why.
    """

    def __init__(
        self,
        fleet: str,
        path: Path | None = None,
        *,
        limits: HistoryLimits | None = None,
        reading: bool = False,
    ) -> None:
        self.path = path or history_path(fleet)
        self.note = ""
        """What the user should know of the file, as a sentence: it was put aside. Else empty."""
        self._limits = limits or HistoryLimits()
        self._lock = threading.RLock()
        self._ids: dict[Series, int] = {}
        self._thinned_s = 0.0
        self._reading = reading
        self._file: tuple[int, int] | None = None
        """Which file it is, by its device and number there; None: none is open."""
        with self._told("opened"):
            self._db = self._read_only() if reading else self._opened()

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _read_only(self) -> sqlite3.Connection:
        if not self.path.exists():
            raise HistoryError(f"there is no history yet: there is no {self.path}")
        try:
            db = open_to_read(self.path)
        except UnusableFile as error:
            raise HistoryError(
                f"the history in {self.path} cannot be read: {error}",
                hint="What watches the fleet next puts it aside, and begins a new one.",
            ) from error
        if db is None:
            raise HistoryError(f"there is no history yet: nothing is in {self.path}")
        return db

    def _opened(self) -> sqlite3.Connection:
        with opening_alone(self.path):
            try:
                return self._kept_open()
            except UnusableFile as error:
                return self._begun_anew(error)

    def _begun_anew(self, why: Exception) -> sqlite3.Connection:
        self._file = None
        aside = put_aside(self.path)
        self.note = (
            f"the history began anew: {self.path} was put aside as {aside.name}, since {why}"
        )
        db = self._kept_open()
        with db:
            noted = Event(datetime.now(UTC), "warning", self.note)
            db.execute("INSERT INTO events VALUES (?, ?, ?)", _row(noted))
        return db

    def _kept_open(self) -> sqlite3.Connection:
        db = open_to_write(self.path, self._limits.mb)
        self._file = identity(self.path)
        keep_reserve(self.path)
        return db

    def _follow_path(self) -> None:
        """If the file was removed or replaced, go on with the one that is there now: what is
        written into the former one nobody reads."""
        if self._reading or (self._file is not None and self._file == identity(self.path)):
            return
        self._db.close()
        self._ids.clear()
        self._db = self._opened()

    @contextmanager
    def _told(self, done: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, UnusableFile) as error:
            why = str(error)
            if isinstance(error, sqlite3.Error) and is_full(error, self.path):
                space = free_bytes(self.path) // 1024 // 1024
                why = f"there is no room ({space} MiB free, at most {self._limits.mb} MiB wanted)"
            raise HistoryError(f"the history in {self.path} cannot be {done}: {why}") from error

    # writing

    def add(
        self,
        at_s: float,
        samples: Iterable[Sample],
        *,
        watched_from_s: float,
        earlier: Mapping[float, Iterable[Sample]] | None = None,
    ) -> None:
        """Keep the samples of one look.

        :param watched_from_s: since when the fleet is watched without a gap.
        :param earlier: samples of looks before it, by their time.
        :raises HistoryError: they cannot be written.
        """
        looks = {time_s: list(found) for time_s, found in (earlier or {}).items()}
        looks[at_s] = list(samples)

        def write(db: sqlite3.Connection) -> None:
            for time_s, found in looks.items():
                self._add(db, time_s, found)
            db.execute(
                "INSERT INTO watched VALUES (?, ?) ON CONFLICT DO UPDATE SET until_s = ?",
                (watched_from_s, at_s, at_s),
            )

        with self._told("written"), self._lock:
            self._write(write)
            self._tidy(at_s, settled=at_s - watched_from_s >= SETTLED_S)

    def _add(self, db: sqlite3.Connection, at_s: float, samples: Iterable[Sample]) -> None:
        values = [(n - 1, s.value) for s in samples if (n := self._id(db, s.series)) is not None]
        for length in LEVELS:
            start = int(at_s // length) * length
            row = db.execute(f"SELECT data FROM points_{length} WHERE at_s = ?", (start,))
            block = Block(*(row.fetchone() or ()))
            for number, value in values:
                block.add(number, value)
            db.execute(
                f"INSERT OR REPLACE INTO points_{length} VALUES (?, ?)", (start, block.encoded())
            )

    def add_events(self, events: Iterable[Event]) -> None:
        """Keep events; one with a key that is there already replaces it.

        :raises HistoryError: they cannot be written.
        """
        rows = [_row(event) for event in events]
        with self._told("written"), self._lock:
            self._write(
                lambda db: db.executemany("INSERT OR REPLACE INTO events VALUES (?, ?, ?)", rows)
            )

    def _write(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Do ``work`` in one transaction, of which all is there afterwards, or nothing."""
        anew = False
        for left in reversed(range(_TRIES)):
            try:
                self._follow_path()
                with self._db:
                    work(self._db)
                break
            except sqlite3.DatabaseError as error:
                self._ids.clear()
                if is_damaged(error) and not anew:
                    anew = True
                    self._db.close()
                    with opening_alone(self.path):
                        if self._file == identity(self.path):  # else another process has done it
                            self._db = self._begun_anew(UnusableFile(f"it is damaged ({error})"))
                elif left and is_full(error, self.path):
                    self._make_room()
                else:
                    raise

    def _make_room(self) -> None:
        """Drop the oldest; the reserve gives the disk the room which that needs."""
        reserve_of(self.path).unlink(missing_ok=True)
        with suppress(sqlite3.OperationalError):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        with suppress(sqlite3.OperationalError):  # then the next try says so
            with self._db:
                drop_oldest(self._db)
            with self._db:
                give_back(self._db)
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _tidy(self, now_s: float, *, settled: bool) -> None:
        """Keep to the limits. Each step is short: what is left to do is done at the next."""
        large = used_bytes(self._db) > self._limits.mb * 1024 * 1024
        due = settled and abs(now_s - self._thinned_s) >= THIN_EVERY_S
        if not (large or due):
            return
        with self._db:
            if due:
                thin(self._db, now_s, self._limits)
                self._thinned_s = now_s
            if large:
                drop_oldest(self._db)
        with self._db:
            give_back(self._db)
        keep_reserve(self.path)

    def _id(self, db: sqlite3.Connection, series: Series) -> int | None:
        """Its number, from 1; None: there are too many."""
        if series not in self._ids:
            named = (series.kind, series.subject, series.metric)
            query = "SELECT id FROM series WHERE kind = ? AND subject = ? AND metric = ?"
            row = db.execute(query, named).fetchone()
            if row is None:
                last = db.execute("SELECT max(id) FROM series").fetchone()[0] or 0
                if last >= _MOST_SERIES:
                    return None
                db.execute("INSERT INTO series VALUES (?, ?, ?, ?)", (last + 1, *named))
                row = (last + 1,)
            self._ids[series] = row[0]
        return self._ids[series]

    # reading

    def version(self) -> int:
        """Changes when another process has written (SQLite's data_version).

        :raises HistoryError: it cannot be read.
        """
        with self._told("read"), self._lock:
            self._follow_path()
            return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def series(self) -> list[Series]:
        """All that is kept.

        :raises HistoryError: it cannot be read.
        """
        with self._told("read"), self._lock:
            rows = self._db.execute("SELECT kind, subject, metric FROM series").fetchall()
        return sorted(Series(*row) for row in rows)

    def points(
        self,
        since_s: float,
        until_s: float,
        *,
        kind: SeriesKind | None = None,
        subjects: Collection[str] | None = None,
        metrics: Collection[str] | None = None,
        step_s: float = STEP_S,
    ) -> Mapping[Series, list[Point]]:
        """What is kept of a stretch of time, oldest first; series without a point are left out.

        :param kind, subjects, metrics: only of these; None: of all.
        :param step_s: how fine it is wanted: points are as long as the longest of :data:`LEVELS`
            that is not longer, and longer where only that is left.
        :raises HistoryError: it cannot be read.
        """
        found: dict[Series, list[Point]] = {}
        with self._told("read"), self._lock, self._one_state() as db:
            query = "SELECT id - 1, kind, subject, metric FROM series"
            lists: dict[int, list[Point]] = {}
            for number, *named in db.execute(query):
                one = Series(*named)
                if (
                    (kind is None or one.kind == kind)
                    and (subjects is None or one.subject in subjects)
                    and (metrics is None or one.metric in metrics)
                ):
                    found[one] = lists[number] = []
            for length, start_s, data in self._rows(db, since_s, until_s, step_s) if lists else ():
                for number, count, low, mean, high in Block(data).of(lists):
                    lists[number].append(Point(start_s, length, count, low, mean, high))
        return {one: points for one, points in found.items() if points}

    @contextmanager
    def _one_state(self) -> Iterator[sqlite3.Connection]:
        """All that is read is of one moment, whatever another process writes meanwhile."""
        self._db.execute("BEGIN")
        try:
            yield self._db
        finally:
            self._db.rollback()

    def _rows(
        self, db: sqlite3.Connection, since_s: float, until_s: float, step_s: float
    ) -> Iterator[tuple[int, int, bytes]]:
        """Length, begin and values of stretches, oldest first: coarse ones where finer ones are
        dropped already."""
        levels = [n for n in LEVELS if n >= max((m for m in LEVELS if m <= step_s), default=STEP_S)]
        parts: list[tuple[int, float]] = []
        end = until_s
        for length in levels:
            parts.append((length, end))
            first = db.execute(f"SELECT min(at_s) FROM points_{length}").fetchone()[0]
            if first is not None:
                end = min(end, first)
            if end <= since_s:
                break
        for length, end in reversed(parts):
            # all parts of the stretch in which the finer ones begin are there
            last = end if length == levels[0] else (end // length) * length
            query = f"SELECT at_s, data FROM points_{length} WHERE at_s > ? AND at_s < ? ORDER BY 1"
            for row in db.execute(query, (since_s - length, last)):
                yield (length, *row)

    def events(
        self, since: datetime, until: datetime | None = None, *, most: int = 10_000
    ) -> list[Event]:
        """The newest events of a stretch of time, oldest first; without those that cannot be read,
        such as of a kind that only a newer fleetctl knows.

        :raises HistoryError: they cannot be read.
        """
        query = "SELECT event FROM events WHERE at_s >= ? AND at_s <= ? ORDER BY at_s DESC LIMIT ?"
        end = until or datetime.max.replace(tzinfo=UTC)
        with self._told("read"), self._lock:
            rows = self._db.execute(query, (since.timestamp(), end.timestamp(), most)).fetchall()
        found = []
        for row in reversed(rows):
            with suppress(msgspec.DecodeError, UnicodeError):
                found.append(msgspec.json.decode(row[0], type=Event))
        return found

    def watched(self, since_s: float, until_s: float) -> list[Watched]:
        """When the fleet was watched; what lies between is a gap.

        :raises HistoryError: it cannot be read.
        """
        query = "SELECT * FROM watched WHERE until_s >= ? AND from_s <= ? ORDER BY from_s"
        with self._told("read"), self._lock:
            return [Watched(*row) for row in self._db.execute(query, (since_s, until_s))]


def key_of(event: Event) -> str:
    """By which it is kept once."""
    made = f"{event.at.isoformat()} {event.kind} {event.subject} {event.text}"
    return event.key or made


def _row(event: Event) -> tuple[str, float, bytes]:
    return key_of(event), event.at.timestamp(), msgspec.json.encode(event)
