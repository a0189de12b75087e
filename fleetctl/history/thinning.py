"""Dropping what is old from the history, in small steps."""

from __future__ import annotations

import sqlite3
from itertools import pairwise

from fleetctl.history.file import LEVELS
from fleetctl.model.history_limits import HistoryLimits

DAY_S = 86_400
_MOST_ROWS = 500
"""Dropped from a table in one step."""
_MOST_PAGES = 64
"""Given back to the file system in one step."""
_SHARE = 20
"""Where there is no room, one part of so many of the time that a table has goes at once."""


def kept_s(length_s: int, limits: HistoryLimits) -> int:
    """For how long stretches of ``length_s`` are kept, in seconds."""
    days = {10: 1, 60: 30}.get(length_s, limits.days)
    return DAY_S * min(days, limits.days)


def thin(db: sqlite3.Connection, now_s: float, limits: HistoryLimits) -> None:
    """Drop what is older than it may be, as far as one step goes."""
    for length in LEVELS:
        _drop(db, length, now_s - kept_s(length, limits))
    _drop_events(db, now_s - DAY_S * limits.days)
    db.execute("DELETE FROM watched WHERE until_s < ?", (now_s - DAY_S * limits.days,))


def drop_oldest(db: sqlite3.Connection) -> None:
    """Drop the oldest of everything, as far as one step goes; what is newest stays."""
    for length in LEVELS:
        first, last = db.execute(f"SELECT min(at_s), max(at_s) FROM points_{length}").fetchone()
        if first is not None:
            _drop(db, length, first + max(2 * _next(length), (last - first) / _SHARE))
    first, last = db.execute("SELECT min(at_s), max(at_s) FROM events").fetchone()
    if first is not None:
        _drop_events(db, first + (last - first) / _SHARE)


def give_back(db: sqlite3.Connection) -> None:
    """Make the file smaller by pages that are no longer in use, as far as one step goes."""
    db.execute(f"PRAGMA incremental_vacuum({_MOST_PAGES})").fetchall()


def used_bytes(db: sqlite3.Connection) -> int:
    """How large the file is without pages that are no longer in use."""
    pages, free, size = (
        db.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _next(length_s: int) -> int:
    return dict(pairwise(LEVELS)).get(length_s, length_s)


def _drop(db: sqlite3.Connection, length_s: int, before_s: float) -> None:
    """Drop rows that are over before ``before_s``, but for the newest; a row of the next level
    has all of its parts or none, so that readers need not look into both."""
    first, last = db.execute(f"SELECT min(at_s), max(at_s) FROM points_{length_s}").fetchone()
    if first is None or first >= before_s:
        return
    whole = _next(length_s)
    end = min(before_s, first + whole * max(1, _MOST_ROWS * length_s // whole), last)
    db.execute(f"DELETE FROM points_{length_s} WHERE at_s < ?", (int(end // whole) * whole,))


def _drop_events(db: sqlite3.Connection, before_s: float) -> None:
    db.execute(
        "DELETE FROM events WHERE key IN"
        " (SELECT key FROM events WHERE at_s < ? ORDER BY at_s LIMIT ?)",
        (before_s, _MOST_ROWS),
    )
