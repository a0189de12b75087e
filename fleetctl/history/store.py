"""The file in which samples and events are kept: SQLite, ``~/.local/state/fleetctl/FLEET/``.

One process writes (see :mod:`fleetctl.history.writer_lock`); any number read meanwhile.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from fleetctl.errors import FleetctlError
from fleetctl.local_files import private_folder
from fleetctl.model.events import Event
from fleetctl.model.layout import history_file
from fleetctl.model.samples import Point, Sample, Series, SeriesKind

VERSION = 1
STEP_S = 10
"""The shortest stretch for which samples are kept, in seconds."""
BUSY_S = 5.0
"""How long another process that writes is waited for."""

_TABLES = """
CREATE TABLE IF NOT EXISTS series (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL, metric TEXT NOT NULL,
  UNIQUE (kind, subject, metric));
CREATE TABLE IF NOT EXISTS points (
  series INTEGER NOT NULL, length_s INTEGER NOT NULL, at_s INTEGER NOT NULL,
  count INTEGER NOT NULL, low REAL NOT NULL, mean REAL NOT NULL, high REAL NOT NULL,
  PRIMARY KEY (series, length_s, at_s)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
  key TEXT PRIMARY KEY, at_s REAL NOT NULL, event BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS events_at ON events (at_s);
CREATE TABLE IF NOT EXISTS watched (
  from_s REAL PRIMARY KEY, until_s REAL NOT NULL) WITHOUT ROWID;
"""
_ADD = """
INSERT INTO points VALUES (?, ?, ?, 1, ?, ?, ?) ON CONFLICT DO UPDATE SET
  mean = mean + (excluded.mean - mean) / (count + 1), count = count + 1,
  low = min(low, excluded.low), high = max(high, excluded.high)
"""


class HistoryError(FleetctlError):
    """The history cannot be read or written."""


class Watched(Struct, frozen=True):
    """A stretch of time in which the fleet was watched, in seconds since 1970."""

    from_s: float
    until_s: float


class Store:
    """The history of one fleet. May be used by several threads.

    :param fleet: its name.
    :param path: another file than the fleet's own.
    :raises HistoryError: it cannot be opened; the sentence says why.
    """

    def __init__(self, fleet: str, path: Path | None = None) -> None:
        self.path = path or Path(history_file(fleet)).expanduser()
        self._lock = threading.Lock()
        self._ids: dict[Series, int] = {}
        with self._told("opened"):
            private_folder(self.path.parent)
            self._db = sqlite3.connect(self.path, timeout=BUSY_S, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_TABLES)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def _told(self, done: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise HistoryError(f"the history in {self.path} cannot be {done}: {error}") from error

    # writing

    def add(self, at_s: float, samples: Iterable[Sample], *, watched_from_s: float) -> None:
        """Keep the samples of one look.

        :param watched_from_s: since when the fleet is watched without a gap.
        :raises HistoryError: they cannot be written.
        """
        step = int(at_s // STEP_S) * STEP_S
        with self._told("written"), self._lock, self._db:
            rows = [(self._id(s.series), STEP_S, step, s.value, s.value, s.value) for s in samples]
            self._db.executemany(_ADD, rows)
            self._db.execute(
                "INSERT INTO watched VALUES (?, ?) ON CONFLICT DO UPDATE SET until_s = ?",
                (watched_from_s, at_s, at_s),
            )

    def add_events(self, events: Iterable[Event]) -> None:
        """Keep events; one with a key that is there already replaces it.

        :raises HistoryError: they cannot be written.
        """
        rows = [(key_of(e), e.at.timestamp(), msgspec.json.encode(e)) for e in events]
        with self._told("written"), self._lock, self._db:
            self._db.executemany("INSERT OR REPLACE INTO events VALUES (?, ?, ?)", rows)

    def _id(self, series: Series) -> int:
        if series not in self._ids:
            named = (series.kind, series.subject, series.metric)
            self._db.execute("INSERT OR IGNORE INTO series VALUES (NULL, ?, ?, ?)", named)
            query = "SELECT id FROM series WHERE kind = ? AND subject = ? AND metric = ?"
            self._ids[series] = self._db.execute(query, named).fetchone()[0]
        return self._ids[series]

    # reading

    def version(self) -> int:
        """Changes when another process has written (SQLite's data_version).

        :raises HistoryError: it cannot be read.
        """
        with self._told("read"), self._lock:
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
    ) -> Mapping[Series, list[Point]]:
        """What is kept of a stretch of time, oldest first; series without a point are left out.

        :param kind, subjects, metrics: only of these; None: of all.
        :raises HistoryError: it cannot be read.
        """
        chosen = {
            s
            for s in self.series()
            if (kind is None or s.kind == kind)
            and (subjects is None or s.subject in subjects)
            and (metrics is None or s.metric in metrics)
        }
        query = (
            "SELECT kind, subject, metric, at_s, length_s, count, low, mean, high"
            " FROM points JOIN series ON series = id WHERE at_s + length_s > ? AND at_s < ?"
            " ORDER BY at_s"
        )
        found: dict[Series, list[Point]] = {}
        with self._told("read"), self._lock, closing(self._db.cursor()) as cursor:
            for row in cursor.execute(query, (since_s, until_s)):
                if (one := Series(*row[:3])) in chosen:
                    found.setdefault(one, []).append(Point(*row[3:]))
        return found

    def events(
        self, since: datetime, until: datetime | None = None, *, most: int = 10_000
    ) -> list[Event]:
        """The newest events of a stretch of time, oldest first.

        :raises HistoryError: they cannot be read.
        """
        query = "SELECT event FROM events WHERE at_s >= ? AND at_s <= ? ORDER BY at_s DESC LIMIT ?"
        end = until or datetime.max.replace(tzinfo=UTC)
        with self._told("read"), self._lock:
            rows = self._db.execute(query, (since.timestamp(), end.timestamp(), most)).fetchall()
        return [msgspec.json.decode(row[0], type=Event) for row in reversed(rows)]

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
