"""The key with which nodes are logged into: found, or made by the system's ssh-keygen."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path
from subprocess import DEVNULL

from msgspec import Struct

from fleetctl.errors import FleetctlError
from fleetctl.link.ssh.public_keys import PublicKey, public_key
from fleetctl.local_files import private_folder

_TIMEOUT_S = 30.0


class ClusterKey(Struct, frozen=True):
    """A private key on this machine."""

    path: str
    """As the user writes it."""
    public: PublicKey
    mode: int
    """The mode of the file if others can read it, so that ssh passes over it; 0: they cannot."""


def file_of(path: str) -> Path:
    """The file that the user means, which may be written in several ways."""
    return Path(path).expanduser()


def find(path: str) -> ClusterKey | None:
    """The key at ``path``, which may be only its public half; None: there is none.

    :raises FleetctlError: what is there is no key.
    """
    file = file_of(path)
    beside = Path(f"{file}.pub")
    if not file.exists():
        if beside.exists():
            raise FleetctlError(
                f"there is {path}.pub, but not the private key {path}",
                hint="Bring it back; or move the public half away, and a new key is made.",
            )
        return None
    try:
        found, public = file.stat(), public_key(str(file))
    except OSError as error:
        raise FleetctlError(f"{path} cannot be read as a key: {error.strerror}") from None
    if public is None:
        raise FleetctlError(
            f"{path} is there, but no key that can be read",
            hint="Correct ssh.identity_file in nodes.yaml, or move that file away.",
        )
    private = public.private and found.st_uid == os.getuid() and found.st_mode & 0o077
    return ClusterKey(path, public, stat.S_IMODE(found.st_mode) if private else 0)


def close(key: ClusterKey) -> None:
    """Take the key's file away from others.

    :raises FleetctlError: that cannot be done.
    """
    try:
        file_of(key.path).chmod(0o600)
    except OSError as error:
        raise FleetctlError(f"others can read {key.path}: {error.strerror}") from None


def usable(key: ClusterKey) -> bool:
    """Whether it can be logged in with: its passphrase is not needed, or the SSH agent has it."""
    if key.public.private and not key.public.locked:
        return True
    try:
        listed = subprocess.run(
            ["ssh-add", "-L"], stdin=DEVNULL, capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return " ".join(key.public.line.split()[:2]) in listed.stdout.decode("utf-8", "replace")


def make(path: str, comment: str) -> ClusterKey:
    """Make an ed25519 key without a passphrase.

    :raises FleetctlError: it cannot be made.
    """
    program = shutil.which("ssh-keygen")
    if program is None:
        raise FleetctlError(
            "there is no ssh-keygen on this machine", hint="Install OpenSSH's client."
        )
    file = file_of(path)
    try:
        private_folder(file.parent)
    except OSError as error:
        raise FleetctlError(f"{file.parent} cannot be made: {error.strerror}") from None
    argv = (program, "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(file))
    try:
        # it never writes over a key: that is what it would ask about
        done = subprocess.run(
            argv, stdin=DEVNULL, capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FleetctlError(f"ssh-keygen cannot make {path}: {error}") from None
    if done.returncode or (key := find(path)) is None:
        lines = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
        why = lines[-1] if lines else f"status {done.returncode}"
        raise FleetctlError(f"ssh-keygen cannot make {path}: {why}")
    return key
