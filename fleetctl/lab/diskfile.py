"""A machine's files as the lab reads and writes them from outside.

Root on the machine may have put anything there. A symbolic link could lead to a file of the host,
so none is followed, on the way or at the end; nor is a pipe waited for.

Each function takes the folder that is the machine's root (or holds its ``etc``), and a path below
that.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fleetctl.errors import LabError

LARGEST = 1_000_000
"""What is read of a file, in bytes."""


def read(root: Path, path: str) -> bytes:
    """The content of a file; empty if it cannot be read."""
    folder, name = _split(path)
    try:
        with _opened(root, folder) as inside:
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=inside)
            with os.fdopen(fd, "rb") as file:
                regular = stat.S_ISREG(os.fstat(fd).st_mode)
                return file.read(LARGEST) if regular else b""
    except OSError:
        return b""


def text(root: Path, path: str) -> str:
    """As :func:`read`, decoded."""
    return read(root, path).decode(errors="replace")


def names(root: Path, folder: str, suffix: str) -> list[str]:
    """The files in a folder whose names end so, sorted; none if it cannot be read."""
    try:
        with _opened(root, folder) as inside:
            listed = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=inside)
            try:
                return sorted(name for name in os.listdir(listed) if name.endswith(suffix))
            finally:
                os.close(listed)
    except OSError:
        return []


def write(root: Path, path: str, content: str, mode: int = 0o644) -> None:
    """Write a file, with this mode, and the folders above it that are missing.

    :raises LabError: something else than a folder or a file is in its place, or the disk is full.
    """
    folder, name = _split(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        with _opened(root, folder, make=True) as inside:
            fd = os.open(name, flags, mode, dir_fd=inside)
            with os.fdopen(fd, "wb") as file:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    raise _refused(path, "it is no file")
                os.ftruncate(fd, 0)
                file.write(content.encode())
                os.fchmod(fd, mode)
    except OSError as error:
        raise _refused(path, str(error.strerror)) from None


def remove(root: Path, path: str) -> None:
    """Remove a file, if it is there.

    :raises LabError: it cannot be removed.
    """
    folder, name = _split(path)
    try:
        with suppress(FileNotFoundError), _opened(root, folder) as inside:
            os.unlink(name, dir_fd=inside)
    except OSError as error:
        raise _refused(path, str(error.strerror)) from None


def _split(path: str) -> tuple[str, str]:
    folder, _, name = path.strip("/").rpartition("/")
    return folder, name


@contextmanager
def _opened(root: Path, folder: str, *, make: bool = False) -> Iterator[int]:
    fd = os.open(root, os.O_PATH | os.O_DIRECTORY)
    try:
        for name in folder.strip("/").split("/") if folder.strip("/") else ():
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, 0o755, dir_fd=fd)
            inner = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
            os.close(fd)
            fd = inner
        yield fd
    finally:
        os.close(fd)


def _refused(path: str, why: str) -> LabError:
    return LabError(
        f"the lab cannot change /{path.strip('/')} on its disk: {why}",
        hint="It follows no symbolic link that is there; put the file or folder in its place.",
    )
