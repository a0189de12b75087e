"""The token by which a browser is let in: a file that only this account reads."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from fleetctl.errors import FleetctlError
from fleetctl.link.warm.place import NotPrivate
from fleetctl.local_files import read_bounded, write_private
from fleetctl.model.layout import serve_dir
from fleetctl.serve.door import make_private

_BYTES = 32
_LEAST = 32
"""Characters of a token that can be used."""


def token_path(fleet: str) -> Path:
    """Its file."""
    return Path(serve_dir(fleet)).expanduser() / "http-token"


def token_of(fleet: str) -> tuple[str, bool]:
    """The token of ``fleet``, and whether it was made just now.

    :raises FleetctlError: the file cannot be used, or others may read it.
    """
    path = token_path(fleet)
    try:
        make_private(str(path.parent))
        if not path.exists():
            token = secrets.token_urlsafe(_BYTES)
            write_private(path, token.encode() + b"\n")
            return token, True
        found = path.stat()
        if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
            raise NotPrivate("others may read it, or it is another user's")
        token = read_bounded(path, 4096).decode("ascii").strip()
        if len(token) < _LEAST:
            raise NotPrivate(f"it has fewer than {_LEAST} characters")
    except (OSError, NotPrivate, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise FleetctlError(
            f"the token in {path} cannot be used: {why}", hint="Remove it: then a new one is made."
        ) from None
    return token, False
