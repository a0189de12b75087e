"""Where the socket of a `fleetctl serve` is, and whose. Imports next to nothing, for it is used
before anything else is loaded."""

from __future__ import annotations

import _socket
import os
import sys

from fleetctl.model.layout import serve_dir

LONGEST = 100
"""Bytes of a path that a socket can have: 104 on macOS, 108 on Linux, with the NUL (unix(7))."""
_LOCAL_PEERCRED = 1
"""Of macOS, at level 0 (unix(4), sys/un.h); answered with a struct xucred."""


class NotPrivate(Exception):
    """The place is not this user's alone; the text says what is wrong, as a sentence."""


def socket_path(fleet: str) -> str:
    """Of the server of ``fleet``, below the home folder; a path that is too long for a socket is
    replaced by a short one in a folder below /tmp."""
    path = os.path.expanduser(f"{serve_dir(fleet)}/socket")  # noqa: PTH111 -- pathlib is slow
    if len(os.fsencode(path)) <= LONGEST:
        return path
    from hashlib import sha256

    short = sha256(os.fsencode(path)).hexdigest()[:24]
    return f"/tmp/fleetctl-{os.getuid()}-{short}/socket"


def is_there(fleet: str) -> bool:
    """Whether there is a socket of the server of ``fleet``, which may be left of one that ended."""
    return os.path.lexists(socket_path(fleet))


def require_private(path: str) -> None:
    """
    :param path: of a socket.
    :raises NotPrivate: the folder or the socket belongs to another user, or others may enter.
    :raises OSError: there is none.
    """
    folder = os.path.dirname(path)  # noqa: PTH120
    for place, forbidden in ((folder, 0o077), (path, 0o177)):
        found = os.lstat(place)
        if found.st_uid != os.getuid():
            raise NotPrivate(f"{place} belongs to another user (uid {found.st_uid})")
        if (found.st_mode & 0o170000) == 0o120000:
            raise NotPrivate(f"{place} is a symbolic link")
        if found.st_mode & forbidden:
            raise NotPrivate(f"other users may use {place} (mode {found.st_mode & 0o777:03o})")


def peer_uid(connection: _socket.socket) -> int | None:
    """The user of the process at the other end; None: not known."""
    try:
        if sys.platform == "darwin":
            told = connection.getsockopt(0, _LOCAL_PEERCRED, 76)
            return int.from_bytes(told[4:8], sys.byteorder)  # cr_version, cr_uid
        told = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
        return int.from_bytes(told[4:8], sys.byteorder)  # pid, uid, gid
    except OSError:
        return None


def connected(fleet: str, timeout_s: float) -> _socket.socket | None:
    """A connection to the server of ``fleet`` that is this user's; None: there is none."""
    path = socket_path(fleet)
    try:
        require_private(path)
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    except (OSError, NotPrivate):
        return None
    try:
        connection.settimeout(timeout_s)
        connection.connect(path)
    except OSError:
        connection.close()
        return None
    if peer_uid(connection) != os.getuid():
        connection.close()
        return None
    return connection
