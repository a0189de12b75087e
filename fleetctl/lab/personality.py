"""What differs between Macs and Linux machines, as values."""

from __future__ import annotations

from msgspec import Struct

from fleetctl.lab.blueprint import Machine

HIDDEN = "/.lab"
"""A node's hidden folder: real tools, the lab's programs, the machine's description."""


class Personality(Struct, frozen=True):
    """Paths and shell of one operating system."""

    homes: str
    root_home: str
    shell: str
    path: str
    """The PATH of a command over SSH."""
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
    """The :class:`Personality` of an operating system."""
    return MACOS if os == "macos" else LINUX


def is_mac(machine: Machine) -> bool:
    """Whether the machine has the commands and the file system of a Mac."""
    return machine.os == "macos" and machine.role in ("ssh", "silent")
