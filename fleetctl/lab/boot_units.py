"""What an account's own units do at the boot of a Linux machine, as its systemd would."""

from __future__ import annotations

import shlex
from pathlib import Path

from fleetctl.lab import diskfile
from fleetctl.lab.blueprint import Machine

LINGERING = "/var/lib/systemd/linger"
"""Its files are named after the accounts whose units start without a login; `loginctl` writes them
(lab/programs/raspberry/sh)."""
RUNNING = "/run/systemd/system"
"""A folder by which programs know that systemd runs (sd_booted(3))."""
_UNITS = ".config/systemd/user"


def commands(machine: Machine, root: Path) -> list[list[str]]:
    """The commands of the units that are wanted at boot, of an account that lingers."""
    if machine.user not in diskfile.names(root, LINGERING, ""):
        return []
    folder = f"{machine.home}/{_UNITS}"
    found = []
    for name in diskfile.names(root, f"{folder}/default.target.wants", ".service"):
        for line in diskfile.text(root, f"{folder}/{name}").splitlines():
            key, _, value = line.partition("=")
            if key == "ExecStart":
                found.append(_words(value, machine.home))
    return found


def _words(line: str, home: str) -> list[str]:
    """The command of a unit (systemd.service(5), "Command lines"), as far as fleetctl writes it."""
    try:
        words = shlex.split(line)
    except ValueError:
        return ["false"]  # systemd refuses such a unit
    return [word.replace("%h", home).replace("$$", "$").replace("%%", "%") for word in words]
