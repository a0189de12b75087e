"""The private keys to log in with, and why a key file could not be used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncssh
from msgspec import Struct

_DEFAULTS = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa", "~/.ssh/id_ed25519_sk")


class Identity(Struct, frozen=True):
    """A set of keys for one node."""

    keys: list[Any]
    """asyncssh key pairs; empty: only the agent's keys are used."""
    agent_only: Any
    """Public keys of the agent that may be used; ``None``: all."""
    notes: tuple[str, ...]
    """For each file: its path, and why it could not be used."""

    def tried(self, agent_path: str | None) -> str:
        """The keys that were tried, for a message."""
        agent = "keys of the SSH agent" if agent_path else "no SSH agent"
        return ", ".join((*self.notes, agent))


class Identities:
    """Loads private keys. Usable files are read once; others again, since the user may fix them."""

    def __init__(self) -> None:
        self._files: dict[str, list[Any]] = {}

    def load(self, files: Sequence[str] | None, *, only: bool) -> Identity:
        """The keys in ``files``, or OpenSSH's default ones.

        :param only: as ``IdentitiesOnly``: of the agent's keys, use only those with a ``.pub`` file
            next to one of ``files``.
        """
        wanted = list(files) if files else [f for f in _DEFAULTS if Path(f).expanduser().exists()]
        loaded = [self._load(file) for file in wanted]
        public = [Path(file).expanduser().with_name(Path(file).name + ".pub") for file in wanted]
        return Identity(
            keys=[key for keys, _ in loaded for key in keys],
            agent_only=[str(p) for p in public if p.exists()] or None if only else None,
            notes=tuple(note for _, note in loaded) or ("no key file",),
        )

    def _load(self, file: str) -> tuple[list[Any], str]:
        if file not in self._files:
            try:
                self._files[file] = list(asyncssh.load_keypairs([str(Path(file).expanduser())]))
            except FileNotFoundError:
                return [], f"{file}: no such file"
            except OSError as error:
                return [], f"{file}: {error.strerror}"
            except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
                locked = "passphrase" in str(error).lower()
                why = "needs its passphrase: ssh-add it" if locked else f"not usable: {error}"
                return [], f"{file}: {why}"
        return self._files[file], file
