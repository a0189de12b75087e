"""The file of ``RevokedHostKeys``: keys that count for no host, as OpenSSH reads it.

One public key a line, as ssh-keygen(1) writes them; see ``sshkey_in_file`` in OpenSSH's authfile.c.
Where a line cannot be read, ssh trusts no host, and so it is here.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Mapping
from pathlib import Path

import asyncssh
from msgspec import Struct

from fleetctl.link.ssh.shown_key import ShownKey
from fleetctl.local_files import read_bounded

_KRL = b"SSHKRL\n\x00"
"""How a key revocation list begins (OpenSSH's PROTOCOL.krl)."""
_MOST_BYTES = 64 * 2**20


class Unusable(Exception):
    """The file cannot be read; the text says why."""


class RevokedKeys(Struct, frozen=True):
    """What a file revokes."""

    file: str
    lines: Mapping[bytes, int]
    """By public key as SSH sends it: the number of its line."""

    def line_of(self, shown: ShownKey) -> int | None:
        """The line that revokes the key, or the authority that certifies it; None: there is none.

        A certificate in the file stands for the key in it.
        """
        return self.lines.get(shown.public) or self.lines.get(shown.authority or b"")


class RevokedFiles:
    """Reads each file once, and again after it has changed."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[tuple[int, int, int], RevokedKeys]] = {}

    def load(self, file: str) -> RevokedKeys:
        """
        :raises Unusable: it is missing, a key revocation list, or has a line that is no key.
        """
        path = Path(file).expanduser()
        try:
            found = path.stat()
            stamp = found.st_mtime_ns, found.st_size, found.st_ino
            if file not in self._read or self._read[file][0] != stamp:
                self._read[file] = stamp, RevokedKeys(file, _lines(read_bounded(path, _MOST_BYTES)))
        except OSError as error:
            raise Unusable(error.strerror or str(error)) from None
        return self._read[file][1]


def _lines(content: bytes) -> dict[bytes, int]:
    """
    :raises Unusable: see :meth:`RevokedFiles.load`.
    """
    if content.startswith(_KRL):
        raise Unusable("it is a key revocation list (KRL), which fleetctl does not read")
    found: dict[bytes, int] = {}
    for number, line in enumerate(content.split(b"\n"), 1):
        text = line.lstrip(b" \t")
        if text and not text.startswith(b"#"):
            found.setdefault(_public(text, number), number)
    return found


def _public(line: bytes, number: int) -> bytes:
    """The key of a line.

    :raises Unusable: it has none.
    """
    kind, _, rest = line.partition(b" ")
    try:
        sent = a2b_base64(rest.split()[0], strict_mode=True)
        if sent[4:].startswith(kind) and sent[:4] == len(kind).to_bytes(4):
            # asyncssh knows keys of FIDO tokens only where a library of theirs is installed
            return sent if kind.startswith(b"sk-") else ShownKey.of(sent).public
    except (IndexError, Base64Error, asyncssh.KeyImportError):
        pass
    raise Unusable(f"its line {number} is no public key")
