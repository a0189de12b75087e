"""``~/.ssh/config`` is read, and replaced whole once ssh has understood the new one."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path
from subprocess import DEVNULL

from fleetctl.errors import FleetctlError
from fleetctl.local_files import private_folder, read_bounded, write_whole

_MOST_BYTES = 16 * 1024 * 1024
_TIMEOUT_S = 10.0


def path() -> Path:
    """The file, behind symbolic links."""
    return (Path.home() / ".ssh" / "config").resolve()


def read() -> bytes:
    """What is in it; nothing if it is not there.

    :raises FleetctlError: it cannot be read.
    """
    try:
        return read_bounded(path(), _MOST_BYTES)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise FleetctlError(f"~/.ssh/config cannot be read: {error.strerror}") from None


def replace(config: bytes, host: str) -> None:
    """Write ``config`` in its place. Until then, and where that fails, the old one stays.

    :param host: a name that ssh is asked about, by the new file.
    :raises FleetctlError: it cannot be written, or ssh refuses it.
    """
    file = path()
    try:
        private_folder(file.parent)
        mode = stat.S_IMODE(file.stat().st_mode) if file.exists() else 0o600
        write_whole(file, config, mode, lambda new: _understood(new, host))
    except OSError as error:
        raise FleetctlError(
            f"~/.ssh/config cannot be written: {error.strerror}", hint="It is as it was."
        ) from None


def _understood(file: Path, host: str) -> None:
    """
    :raises FleetctlError: ssh refuses the file.
    """
    ssh = shutil.which("ssh")
    if ssh is None:
        return
    try:
        done = subprocess.run(
            [ssh, "-G", "-F", str(file), "--", host],
            stdin=DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise FleetctlError(
            f"`ssh -G` does not end within {_TIMEOUT_S:g} s", hint="~/.ssh/config is as it was."
        ) from None
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        said = "; ".join(lines[:3]).replace(str(file), "~/.ssh/config")
        why = said or "it does not say why"
        raise FleetctlError(
            f"ssh refuses ~/.ssh/config with the block: {why}", hint="The file is as it was."
        )
