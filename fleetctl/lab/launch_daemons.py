"""Which daemons launchd starts when a Mac of the lab boots, by the files on its disk."""

from __future__ import annotations

import plistlib
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from fleetctl.lab import diskfile

DAEMONS = "/Library/LaunchDaemons"


class Daemon(Struct, frozen=True):
    """A daemon that launchd starts at boot."""

    label: str
    file: str
    argv: tuple[str, ...]
    user: str = ""
    """The account; empty: root."""
    env: Mapping[str, str] = {}


def daemons(root: Path) -> list[Daemon]:
    """Those in the folder of daemons."""
    found = []
    for name in diskfile.names(root, DAEMONS, ".plist"):
        file = f"{DAEMONS}/{name}"
        try:
            content = plistlib.loads(diskfile.read(root, file))
            label, argv = content["Label"], [str(word) for word in content["ProgramArguments"]]
            env = {str(k): str(v) for k, v in content.get("EnvironmentVariables", {}).items()}
        except (ValueError, KeyError, TypeError, AttributeError, plistlib.InvalidFileException):
            continue  # launchd skips what it cannot read
        if content.get("RunAtLoad") and argv:
            user = str(content.get("UserName", ""))
            found.append(Daemon(str(label), file, tuple(argv), user, env))
    return found
