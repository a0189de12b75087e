"""Files that a command writes for the user: whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from fleetctl.errors import FleetctlError, UsageError
from fleetctl.local_files import write_whole


def save(path: Path, text: str, *, replace: bool, hint: str) -> None:
    """Write ``text`` to ``path``.

    :param replace: a file that is there is replaced, at once and whole; where ``path`` is a link
        the one it leads to.
    :param hint: what the user can do if there is a file already.
    :raises UsageError: there is one, and ``replace`` is not set.
    :raises FleetctlError: it cannot be written.
    """
    try:
        if replace:
            path = path.resolve()
            if path.exists():
                write_whole(path, text.encode(), path.stat().st_mode & 0o777)
                return
        with path.open("xb") as file:
            try:
                file.write(text.encode())
                file.flush()
            except BaseException:
                path.unlink(missing_ok=True)
                raise
    except FileExistsError:
        raise UsageError(f"{path} exists already", hint=hint) from None
    except OSError as error:
        raise FleetctlError(f"{path} cannot be written: {error.strerror}") from None


def require_place(path: Path) -> None:
    """Before work that would be lost.

    :raises UsageError: no file can be made where ``path`` is.
    """
    folder = path.parent
    if not folder.is_dir():
        raise UsageError(f"{path} cannot be written: there is no folder {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{path} cannot be written: nothing can be made in {folder}")
