"""Putting a public key into an account's ``~/.ssh/authorized_keys``, by what runs there."""

from __future__ import annotations

from msgspec import Struct

from fleetctl.package_files import package_text

TIMEOUT_S = 30.0

_OPEN = {
    "home": "the home folder",
    "folder": "~/.ssh",
    "file": "~/.ssh/authorized_keys",
}


class Authorized(Struct, frozen=True):
    """What authorize.sh did."""

    added: bool
    """False: the key was there already."""
    closed: tuple[str, ...]
    """What others could write until then."""


def script() -> str:
    """authorize.sh, which reads the key's line on stdin."""
    return package_text("access/authorize.sh")


def read(said: str) -> Authorized | None:
    """The words of authorize.sh; None: it did not come to its end."""
    words = said.split()
    if not {"authorized", "was-authorized"} & set(words):
        return None
    closed = tuple(text for word, text in _OPEN.items() if word in words)
    return Authorized("authorized" in words, closed)
