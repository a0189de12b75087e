"""Host keys are recorded as ssh records them (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT")."""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Iterable
from pathlib import Path

from fleetctl.link.ssh.shown_keys import HostKey
from fleetctl.local_files import append_lines, private_folder

_SALT_BYTES = 20


def lines(name: str, keys: Iterable[HostKey], *, hashed: bool) -> str:
    """What is recorded for a host.

    :param name: as ssh records it: ``[host]:port`` where the port is not 22.
    :param hashed: as with ``HashKnownHosts yes``.
    """
    return "".join(f"{_hashed(name) if hashed else name} {key.text}\n" for key in keys)


def _hashed(name: str) -> str:
    salt = secrets.token_bytes(_SALT_BYTES)
    digest = hmac.digest(salt, name.encode(), "sha1")
    return "|1|" + "|".join(base64.b64encode(part).decode() for part in (salt, digest))


def append(file: str, text: str) -> None:
    """Add lines to a known_hosts file, in one write; it is made, for its owner alone, if it is
    missing. Where that fails it is as it was.

    :raises OSError: it cannot be written.
    """
    path = Path(file).expanduser()
    private_folder(path.parent)
    append_lines(path, text.encode())
