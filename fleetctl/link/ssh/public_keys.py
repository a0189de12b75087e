"""The public half of a key file."""

from __future__ import annotations

import asyncssh
from msgspec import Struct

from fleetctl.link.ssh.known_hosts import fingerprint


class PublicKey(Struct, frozen=True):
    """As a line of authorized_keys has it."""

    line: str
    """Type, key and comment, without an end of line."""
    fingerprint: str
    """As ``ssh-keygen -l`` prints it."""
    private: bool
    """The file holds the private half, too."""
    locked: bool
    """That needs a passphrase."""


def public_key(path: str) -> PublicKey | None:
    """The public half of the key at ``path``: of the private one if that needs no passphrase, else
    what is beside it or in it; None: it is no key.

    :raises OSError: the file cannot be read.
    """
    found: asyncssh.SSHKey | None = None
    private, locked = True, False
    try:
        found = asyncssh.read_private_key(path)
    except (asyncssh.KeyEncryptionError, asyncssh.KeyImportError) as error:
        private = locked = "passphrase" in str(error).lower()
    comment = found.get_comment_bytes() if found else None
    for file in (path, f"{path}.pub") if not private else (f"{path}.pub", path):
        try:
            beside = asyncssh.read_public_key(file)
        except (OSError, asyncssh.KeyImportError):
            continue
        if found is None or beside.public_data == found.public_data:
            found, comment = beside, comment or beside.get_comment_bytes()
            break
    if found is None:
        return None
    algorithm, data = found.export_public_key("openssh").decode().split()[:2]
    told = " ".join((comment or b"").decode("utf-8", "replace").split())
    line = f"{algorithm} {data} {told}".rstrip()
    return PublicKey(line, fingerprint(found.public_data), private, locked)
