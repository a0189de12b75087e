"""Reading and writing files of this machine that a user names, whatever they are."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

WAIT_S = 5.0
"""The longest that a pipe is waited for."""
_PIECE = 64 * 1024


class TooLarge(OSError):
    """The file is larger than it may be."""


def read_bounded(path: Path | str, most_bytes: int, *, wait_s: float = WAIT_S) -> bytes:
    """The content of a file, or of what comes out of a pipe within ``wait_s``.

    Never waits for a pipe that nobody writes into, nor reads a device without end.

    :raises TooLarge: it is more than ``most_bytes``.
    :raises OSError: it cannot be read; ``strerror`` says why.
    """
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        found = _read(file, most_bytes, time.monotonic() + wait_s)
        if not found and stat.S_ISFIFO(os.fstat(file).st_mode):
            raise OSError(errno.EPIPE, "it is a pipe, and nobody writes into it")
        return found
    finally:
        os.close(file)


def private_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, which nobody else may enter.

    :raises OSError: it cannot be made.
    """
    for folder in (*reversed(path.parents), path):
        if not folder.is_dir():
            folder.mkdir(0o700, exist_ok=True)


@contextmanager
def locked_folder(folder: Path, *, wait_s: float) -> Iterator[None]:
    """While inside, no other process has ``folder`` locked; by flock(2), which a process that ends
    gives back.

    :raises TimeoutError: another one still has it after ``wait_s``.
    :raises OSError: it cannot be opened, or its file system locks no folder, such as NFS.
    """
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    end_s = time.monotonic() + wait_s
    try:
        while not try_lock(file):
            if time.monotonic() > end_s:
                raise TimeoutError(f"another process has {folder} locked")
            time.sleep(0.02)
        yield
    finally:
        os.close(file)


def try_lock(file: int) -> bool:
    """Whether this process has the lock of the file or folder that is open now, as ``file``.

    :raises OSError: its file system has no such locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only this account reads, as a whole or not at all.

    :raises OSError: it cannot be written.
    """
    private_folder(path.parent)
    write_whole(path, content, 0o600)


def write_whole(
    path: Path, content: bytes, mode: int, check: Callable[[Path], object] | None = None
) -> None:
    """Write a file as a whole or not at all; one that is there is replaced.

    :param check: called with the new file before it is in its place; where it raises, the old one
        stays.
    :raises OSError: it cannot be written.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    new = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        new.chmod(mode)
        if check:
            check(new)
        new.replace(path)
    except BaseException:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise


def append_lines(path: Path, text: bytes, *, follow: bool = True) -> int:
    """Add whole lines to a file in one write, and say how large it is then. It is made, for its
    owner alone, if it is missing; a last line without an end gets one. Where that fails, the file
    is as it was.

    :param follow: whether ``path`` may be a symbolic link.
    :raises OSError: it cannot be written.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    file = os.open(path, flags | (0 if follow else os.O_NOFOLLOW), 0o600)
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        torn = found.st_size and os.pread(file, 1, found.st_size - 1) != b"\n"
        data = b"\n" * bool(torn) + text
        try:
            if os.write(file, data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            os.ftruncate(file, found.st_size)
            raise
        return os.fstat(file).st_size
    finally:
        os.close(file)


def cache_file(name: str) -> Path | None:
    """A file of what can be found out anew; None: there is no home folder."""
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    except RuntimeError:
        return None
    return folder / "fleetctl" / name


def nobody_else_writes(path: Path) -> bool:
    """It is there, and only this account can have written it."""
    try:
        found = path.stat()
    except OSError:
        return False
    return found.st_uid == os.getuid() and not found.st_mode & 0o022


def _read(file: int, most_bytes: int, deadline_s: float) -> bytes:
    found = bytearray()
    while True:
        try:
            piece = os.read(file, _PIECE)
        except BlockingIOError:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or not select.select([file], [], [], left_s)[0]:
                raise OSError(errno.ETIMEDOUT, "nothing comes out of it") from None
            continue
        if not piece:
            return bytes(found)
        found += piece
        if len(found) > most_bytes:
            raise TooLarge(errno.EFBIG, f"it is larger than {most_bytes // 1024} KiB")
        if time.monotonic() > deadline_s:
            raise OSError(errno.ETIMEDOUT, "it does not end")
