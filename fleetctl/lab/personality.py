"""What differs between a machine that is a Mac and one that runs Linux, as values."""

from __future__ import annotations

from msgspec import Struct

from fleetctl.lab.blueprint import Machine

HIDDEN = "/.lab"
"""Where a node keeps what its user does not see: real tools, our programs, its own description."""


class Personality(Struct, frozen=True):
    """One operating system's places and habits."""

    homes: str
    root_home: str
    shell: str
    path: str
    """What its sshd gives a command."""
    root_path: str
    proc: str
    sys: str


LINUX = Personality(
    homes="/home",
    root_home="/root",
    shell="/bin/bash",
    # Debian's sshd; the sbin folders are not in it.
    path="/usr/local/bin:/usr/bin:/bin:/usr/games",
    root_path="/usr/local/bin:/usr/bin:/bin:/usr/games:/usr/local/sbin:/usr/sbin:/sbin",
    proc="/proc",
    sys="/sys",
)
MACOS = Personality(
    homes="/Users",
    root_home="/var/root",
    shell="/bin/zsh",
    path="/usr/bin:/bin:/usr/sbin:/sbin",
    root_path="/usr/bin:/bin:/usr/sbin:/sbin",
    proc=f"{HIDDEN}/proc",
    sys=f"{HIDDEN}/sys",
)


def personality(os: str) -> Personality:
    """The one of an operating system."""
    return MACOS if os == "macos" else LINUX


def is_mac(machine: Machine) -> bool:
    """Whether the machine has the commands and the file system of a Mac."""
    return machine.os == "macos" and machine.role in ("ssh", "silent")
