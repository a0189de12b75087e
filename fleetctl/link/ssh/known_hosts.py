"""Recorded host keys, from the known_hosts files that OpenSSH uses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncssh
from msgspec import Struct

_USER = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
_GLOBAL = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")


class Known(Struct, frozen=True):
    """The entries of some known_hosts files."""

    entries: Any
    """asyncssh's parsed form; never None, which would mean "accept any key"."""
    where: str
    """The first file, for messages."""
    keeps: bool = True
    """Whether ssh can record keys in that file."""

    def knows(self, host: str, port: int) -> bool:
        """Whether any key is recorded for ``host``."""
        trusted, authorities, *_ = self.entries.match(host, "", port)
        if not trusted and not authorities and port != 22:
            trusted, authorities, *_ = self.entries.match(host, "", None)
        return bool(trusted or authorities)


_Stamp = tuple[int, int] | None


class KnownHosts:
    """Loads known_hosts files, each combination once, and again after one of them has changed."""

    def __init__(self) -> None:
        self._loaded: dict[tuple[str, ...], tuple[list[_Stamp], Known]] = {}

    def load(
        self, user_files: str | Sequence[str] | None, global_files: Sequence[str] | None
    ) -> Known:
        """The keys in ``user_files`` and ``global_files``; ``None`` for OpenSSH's defaults.

        Missing files and lines that cannot be read are skipped: a host without a key is unknown,
        never trusted.
        """
        if isinstance(user_files, str):
            user_files = [user_files]
        user = tuple(_USER if user_files is None else user_files)
        files = (*user, *(_GLOBAL if global_files is None else global_files))
        stamps = [_stamp(file) for file in files]
        if files not in self._loaded or self._loaded[files][0] != stamps:
            entries = asyncssh.SSHKnownHosts()
            for file in files:
                for line in _lines(file):
                    try:
                        entries.load(line)
                    except ValueError:
                        continue
            keeps = bool(user) and user[0] != "/dev/null"
            known = Known(entries, user[0] if user else "any known_hosts file", keeps)
            self._loaded[files] = (stamps, known)
        return self._loaded[files][1]


def _stamp(file: str) -> _Stamp:
    """A value that changes with the file; ``None``: it cannot be read."""
    try:
        found = Path(file).expanduser().stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _lines(file: str) -> list[str]:
    try:
        return Path(file).expanduser().read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
