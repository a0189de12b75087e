"""The history's file: made for its owner alone, and put aside where it cannot be used.

Tables: ``points_N`` has a row for each stretch of N seconds (:mod:`fleetctl.history.blocks`), for
each N of :data:`LEVELS`; all of them are written at once, so that what is old is only dropped.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from fleetctl.errors import FleetctlError
from fleetctl.local_files import locked_folder, private_folder

VERSION = 1
"""``PRAGMA user_version`` of the file."""
LEVELS = (10, 60, 600, 21_600)
"""The stretches of time for which samples are kept, in seconds; each is a part of the next."""
BUSY_S = 5.0
"""How long another process that writes is waited for."""
RESERVE_BYTES = 1024 * 1024
"""Kept beside the file, to be given up where the disk is full: dropping what is old needs room."""
_CHECK_S = 5.0
"""The longest that a file is checked which was not closed."""
_ASIDE_KEPT = 2
_FULL, _IO, _DAMAGED, _NO_DATABASE = 13, 10, 11, 26  # sqlite.org/rescode.html

_TABLES = (
    "".join(
        f"CREATE TABLE IF NOT EXISTS points_{length}"
        " (at_s INTEGER PRIMARY KEY, data BLOB NOT NULL);\n"
        for length in LEVELS
    )
    + """
CREATE TABLE IF NOT EXISTS series (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL, metric TEXT NOT NULL,
  UNIQUE (kind, subject, metric));
CREATE TABLE IF NOT EXISTS events (
  key TEXT PRIMARY KEY, at_s REAL NOT NULL, event BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS events_at ON events (at_s);
CREATE TABLE IF NOT EXISTS watched (
  from_s REAL PRIMARY KEY, until_s REAL NOT NULL) WITHOUT ROWID;
"""
)


class HistoryError(FleetctlError):
    """The history cannot be read or written."""


class UnusableFile(Exception):
    """It is no history that this version can use; the text is why, as a clause."""


def open_to_read(path: Path) -> sqlite3.Connection | None:
    """Open it; None: nothing is in it yet.

    :raises UnusableFile: it is none of this version's.
    :raises sqlite3.Error: it cannot be opened.
    """
    # a literal ? or % in the path would end it
    quoted = str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    db = sqlite3.connect(
        f"file:{quoted}?mode=ro", uri=True, timeout=BUSY_S, check_same_thread=False
    )
    try:
        made = _check_version(db)
    except BaseException:
        db.close()
        raise
    if not made:
        db.close()
        return None
    return db


@contextmanager
def opening_alone(path: Path) -> Iterator[None]:
    """While it is made, checked or put aside no other process does that: what one has half made
    looks to another like a file of something else, and two would put aside one after the other.

    :raises OSError: the folder cannot be made, or another process has opened it for very long.
    """
    private_folder(path.parent)
    with ExitStack() as alone:
        try:
            alone.enter_context(locked_folder(path.parent, wait_s=_CHECK_S + BUSY_S))
        except TimeoutError:
            raise TimeoutError("another process has been opening it for too long") from None
        except OSError:  # a file system that locks no folder: it goes without
            pass
        yield


def open_to_write(path: Path, most_mb: int) -> sqlite3.Connection:
    """Open it, and make it if it is missing; in :func:`opening_alone`.

    :param most_mb: how large it may become, in MiB.
    :raises UnusableFile: it is damaged, or from another version.
    :raises sqlite3.Error, OSError: it cannot be opened.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    file = os.open(path, flags, 0o600)  # SQLite gives -wal and -shm the same mode
    try:
        if os.fstat(file).st_mode & 0o077:
            os.fchmod(file, 0o600)
    finally:
        os.close(file)
    unclosed = path.with_name(path.name + "-wal").exists()
    db = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False)
    try:
        made = _check_version(db)
        if unclosed:
            _check(db)
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        page_bytes = db.execute("PRAGMA page_size").fetchone()[0]
        # the reserve has room for all that -wal holds
        db.execute(f"PRAGMA journal_size_limit = {RESERVE_BYTES // 2}")
        db.execute(f"PRAGMA wal_autocheckpoint = {RESERVE_BYTES // 2 // page_bytes}")
        db.execute(f"PRAGMA max_page_count = {(most_mb + 1) * 1024 * 1024 // page_bytes}")
        if not made:
            db.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT")
    except sqlite3.DatabaseError as error:
        db.close()
        if is_damaged(error):
            raise UnusableFile(f"it is damaged ({error})") from error
        raise
    except BaseException:
        db.close()
        raise
    return db


def _check_version(db: sqlite3.Connection) -> bool:
    """Whether the tables are there. In one transaction: another process may be making them.

    :raises UnusableFile: it is none of this version's.
    """
    try:
        db.execute("BEGIN")
        empty = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        found: int = db.execute("PRAGMA user_version").fetchone()[0]
        db.execute("COMMIT")
    except sqlite3.DatabaseError as error:
        if is_damaged(error):
            raise UnusableFile(f"it is damaged ({error})") from error
        raise
    if found > VERSION:
        raise UnusableFile(f"a newer fleetctl wrote it (form {found}, this one knows {VERSION})")
    if found < VERSION and not empty:
        raise UnusableFile("it is the database of another program")
    return found == VERSION


def _check(db: sqlite3.Connection) -> None:
    """
    :raises UnusableFile: it is damaged.
    """
    end_s = time.monotonic() + _CHECK_S
    db.set_progress_handler(lambda: time.monotonic() > end_s, 100_000)
    try:
        with suppress(sqlite3.OperationalError):  # it is too large to be checked in time
            found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise UnusableFile(f"it is damaged ({found.splitlines()[-1]})")
    finally:
        db.set_progress_handler(None, 0)


def put_aside(path: Path) -> Path:
    """Give the file another name, and say which; of those put aside earlier the newest is kept.

    :raises OSError: that is not possible.
    """
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    there = path.with_name(f"{path.name}.aside-{now}")
    path.rename(there)
    for ending in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + ending).rename(there.with_name(there.name + ending))
    earlier = sorted(
        p for p in path.parent.glob(f"{path.name}.aside-*") if not p.name.endswith(("-wal", "-shm"))
    )
    for old in earlier[:-_ASIDE_KEPT]:
        for ending in ("", "-wal", "-shm"):
            old.with_name(old.name + ending).unlink(missing_ok=True)
    return there


def is_damaged(error: sqlite3.Error) -> bool:
    """The file is no database, or not a whole one."""
    return _code(error) in (_DAMAGED, _NO_DATABASE)


def is_full(error: sqlite3.Error, path: Path) -> bool:
    """The disk is full, or the file as large as it may be."""
    return _code(error) == _FULL or (_code(error) == _IO and free_bytes(path) < RESERVE_BYTES)


def _code(error: sqlite3.Error) -> int:
    code: int = getattr(error, "sqlite_errorcode", None) or 0
    return code & 0xFF


def free_bytes(path: Path) -> int:
    """What this account can still write where ``path`` is; 0: not known."""
    try:
        found = os.statvfs(path.parent)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize


def reserve_of(path: Path) -> Path:
    """The file that is given up where the disk is full."""
    return path.with_name(f"{path.name}.reserve")


def keep_reserve(path: Path) -> None:
    """Make the reserve if it is missing and there is plenty of room."""
    reserve = reserve_of(path)
    if reserve.exists() or free_bytes(path) < 16 * RESERVE_BYTES:
        return
    with suppress(OSError):
        file = os.open(reserve, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with closing(os.fdopen(file, "wb")) as made:
            made.write(bytes(RESERVE_BYTES))


def identity(path: Path) -> tuple[int, int] | None:
    """Which file is there: its device and its number; None: none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
