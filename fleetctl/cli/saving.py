"""Files that a command writes for the user: whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from fleetctl.errors import FleetctlError, UsageError


def save(path: Path, text: str, *, replace: bool, hint: str) -> None:
    """Write ``text`` to ``path``, which other programs see complete or not at all.

    :param replace: a file that is there is replaced, where ``path`` is a link the one it leads to.
    :param hint: what the user can do if there is a file already.
    :raises UsageError: there is one, and ``replace`` is not set.
    :raises FleetctlError: it cannot be written.
    """
    if replace:
        path = path.resolve()
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_bytes(text.encode())
        try:
            if replace:
                with suppress(FileNotFoundError):
                    new.chmod(path.stat().st_mode & 0o777)
                new.replace(path)
            else:
                path.hardlink_to(new)  # fails where there is something already
        finally:
            new.unlink(missing_ok=True)
    except FileExistsError:
        raise UsageError(f"{path} exists already", hint=hint) from None
    except OSError as error:
        raise FleetctlError(f"{path} cannot be written: {error.strerror}") from None
