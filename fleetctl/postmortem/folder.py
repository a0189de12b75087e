"""A new folder of the user's, whole or not at all, and an archive of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from fleetctl.errors import FleetctlError

ZSTD_S = 120.0
"""How long the program zstd may take."""


def write_folder(parent: Path, name: str, files: Mapping[str, str], *, archive: bool) -> list[Path]:
    """Make the folder ``name`` in ``parent``, which nobody else may enter, and an archive of it.

    Both are made under other names, and renamed when they are whole.

    :param files: by path within the folder, their texts.
    :returns: the folder, and the archive if there is one.
    :raises FleetctlError: it cannot be written; then nothing is left of it.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=parent))
    except OSError as error:
        raise _cannot(parent, error) from None
    try:
        beside = made / name
        for path, text in files.items():
            file = beside / path
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as opened:
                opened.write(text)
        packed = _packed(made, name) if archive else None
        folder = _free(parent, name)
        beside.rename(folder)
        found = [folder]
        if packed:
            found.append(packed.rename(parent / f"{folder.name}{packed.name.removeprefix(name)}"))
    except OSError as error:
        raise _cannot(parent, error) from None
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return found


def _cannot(parent: Path, error: OSError) -> FleetctlError:
    why = error.strerror or str(error)
    return FleetctlError(f"nothing can be written to {parent}: {why}", hint="Choose another: --to")


def _free(parent: Path, name: str) -> Path:
    """A path that is not there yet."""
    number, path = 1, parent / name
    while path.exists() or any(parent.glob(f"{path.name}.tar.*")):
        number += 1
        path = parent / f"{name}-{number}"
    return path


def _packed(made: Path, name: str) -> Path:
    """The folder ``name`` in ``made`` as one file beside it, by the best that is there."""
    if sys.version_info >= (3, 14):
        with suppress(tarfile.CompressionError):
            return _tar(made, name, ".tar.zst", "w:zst")
    if zstd := shutil.which("zstd"):
        plain = _tar(made, name, ".tar", "w")
        target = made / f"{name}.tar.zst"
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(
                [zstd, "-q", "-f", "-o", str(target), str(plain)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=ZSTD_S,
                check=True,
            )
            target.chmod(0o600)
            return target
    return _tar(made, name, ".tar.gz", "w:gz")


def _tar(made: Path, name: str, suffix: str, mode: str) -> Path:
    path = made / f"{name}{suffix}"

    def without_owner(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        return info

    with path.open("xb") as file, tarfile.open(fileobj=file, mode=mode) as tar:  # type: ignore[call-overload]  # a mode that is computed
        tar.add(made / name, arcname=name, filter=without_owner)
    path.chmod(0o600)
    return path
