"""The keys to log in with, in the order in which they are offered.

A server ends a login after a few keys that it does not accept (``MaxAuthTries``, 6 by default),
and an agent may hold more. So the keys of files that the user names come first, in the agent's copy
if it has one: such a file may need a passphrase, or be only the public half.
"""

from __future__ import annotations

import copy
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import asyncssh
from msgspec import Struct

_DEFAULTS = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa", "~/.ssh/id_ed25519_sk")


class KeyFile(Struct, frozen=True):
    """What is known of one file."""

    path: str
    """As the user wrote it."""
    pairs: tuple[Any, ...] = ()
    """asyncssh key pairs; empty: the file alone is not enough to log in."""
    public: frozenset[bytes] = frozenset()
    """Its public keys and certificates, by which the agent's copy is found."""
    lacks: str = ""
    """Why it cannot be used by itself."""

    @property
    def note(self) -> str:
        return f"{self.path}: {self.lacks}" if self.lacks else self.path


class Identity(Struct, frozen=True):
    """The keys for one node, without those of the agent."""

    files: tuple[KeyFile, ...]
    certificates: tuple[Any, ...]
    """Of ``CertificateFile``."""
    missing: tuple[str, ...]
    """Certificate files that cannot be used, each with the reason."""
    named: bool
    """The user names the files; else they are OpenSSH's default ones."""
    only: bool
    """``IdentitiesOnly``: of the agent's keys only copies of ``files`` are offered."""
    agent: str | None
    """The socket of the agent; ``None``: there is none."""

    def ordered(self, of_agent: Sequence[Any]) -> list[Any]:
        """All key pairs, in the order in which they are offered.

        OpenSSH offers a named key that the agent does not hold after all keys of the agent; here
        it comes first.
        """
        copies: list[Any] = []
        rest = list(of_agent)
        first: list[Any] = []
        last: list[Any] = []
        for file in self.files:
            held = [key for key in rest if key.public_data in file.public]
            rest = [key for key in rest if key not in held]
            blobs = {key.public_data for key in held}
            own = [key for key in file.pairs if key.public_data not in blobs]
            copies += held
            last += own
            first += [*held, *own]
        others = [] if self.only else rest
        found = [*first, *others] if self.named else [*copies, *others, *last]
        return [key for one in found for key in self._certified(one)]

    def _certified(self, key: Any) -> Iterator[Any]:
        """``key`` with each certificate for it, and as it is."""
        for certificate in self.certificates:
            if certificate.key.public_data == key.key_public_data:
                certified = copy.copy(key)
                certified.set_certificate(certificate)
                yield certified
        yield key

    def tried(self, agent: str) -> str:
        """The keys that were tried, for a message; ``agent`` says which of the agent."""
        files = [file.note for file in self.files] or ["no key file"]
        return ", ".join((*files, *self.missing, agent))


class Identities:
    """Loads keys. Usable files are read once; others again, since the user may fix them."""

    def __init__(self) -> None:
        self._files: dict[str, KeyFile] = {}

    def load(
        self,
        files: Sequence[str] | None,
        certificates: Sequence[str] = (),
        *,
        only: bool,
        agent: str | None,
    ) -> Identity:
        """The keys in ``files``, or with ``None`` OpenSSH's default ones; see :class:`Identity`."""
        if files is None:
            wanted = [file for file in _DEFAULTS if Path(file).expanduser().exists()]
        else:
            wanted = list(files)
        loaded: list[Any] = []
        missing: list[str] = []
        for file in certificates:
            try:
                _refuse_endless(file)
                loaded += asyncssh.load_certificates(str(Path(file).expanduser()))
            except (OSError, asyncssh.KeyImportError) as error:
                missing.append(f"{file}: {_why(error)}")
        return Identity(
            files=tuple(self._load(file) for file in wanted),
            certificates=tuple(loaded),
            missing=tuple(missing),
            named=bool(files),
            only=only,
            agent=agent,
        )

    def _load(self, file: str) -> KeyFile:
        if file in self._files:
            return self._files[file]
        path = str(Path(file).expanduser())
        try:
            _refuse_endless(path)
            pairs = tuple(asyncssh.load_keypairs([path]))
        except (OSError, asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
            public = _public(path) if Path(path).is_file() else frozenset[bytes]()
            return KeyFile(file, public=public, lacks=_why(error))
        if mode := _open_to_others(path):
            lacks = f"others can read it (mode {mode:04o}), so ssh does not use it: chmod 600 it"
            return KeyFile(file, public=_public(path), lacks=lacks)
        blobs = (blob for pair in pairs for blob in (pair.public_data, pair.key_public_data))
        found = self._files[file] = KeyFile(file, pairs, frozenset(blobs))
        return found


def _refuse_endless(file: str) -> None:
    """
    :raises OSError: it is a pipe or a device, whose reading may never end.
    """
    mode = Path(file).expanduser().stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "is no regular file")


def _open_to_others(path: str) -> int:
    """The mode of a private key that others may read, which ssh passes over (authfile.c,
    ``sshkey_perm_ok``); 0: it is closed, or not there."""
    try:
        found = Path(path).stat()
    except OSError:
        return 0
    mine = found.st_uid == os.getuid() and stat.S_ISREG(found.st_mode)
    return stat.S_IMODE(found.st_mode) if mine and found.st_mode & 0o077 else 0


def _public(path: str) -> frozenset[bytes]:
    """The public keys that can be read: of a public key file, or beside or in a locked one."""
    found = set()
    for file in (path, path + ".pub"):
        try:
            found.add(asyncssh.read_public_key(file).public_data)
        except (OSError, asyncssh.KeyImportError):
            continue
    for file in (path, path + "-cert.pub"):
        try:
            found.add(asyncssh.read_certificate(file).public_data)
        except (OSError, asyncssh.KeyImportError):
            continue
    return frozenset(found)


def _why(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if "passphrase" in str(error).lower():
        return LOCKED
    return f"not usable: {error}"


LOCKED = "needs its passphrase: ssh-add it"
