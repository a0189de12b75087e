"""Why files cannot be written on a node, and what helps, by the system's words."""

from __future__ import annotations

import re

from msgspec import Struct

from fleetctl.model.layout import STATE
from fleetctl.patterns import pattern

_FULL = pattern(r"no space left on device|quota exceeded", re.I)
_READ_ONLY = pattern(r"read-only file system", re.I)
_OPEN = pattern(r"can be written by others|is a symbolic link|belongs to another account")
_NO_FOLDER = pattern(r"not a directory|file exists|directory nonexistent|is no folder", re.I)


class WriteRefusal(Struct, frozen=True):
    """What a refused write means."""

    code: str
    """Of the problem."""
    hint: str


def write_refusal(node: str, said: str) -> WriteRefusal:
    """What ``said`` means, the words of errno(3) that a tool printed on ``node``."""
    if _FULL.search(said):
        return WriteRefusal("disk-full", f"Free some space: fleetctl exec {node} -- df -h")
    if _READ_ONLY.search(said):
        return WriteRefusal(
            "state-unwritable",
            "Its file system is mounted read-only, which is what Linux does to a dying SD card or "
            f"disk: fleetctl exec {node} -- 'mount; dmesg | tail -n 50'",
        )
    if _OPEN.search(said):
        return WriteRefusal(
            "state-unwritable",
            "What runs here could be exchanged by somebody else. Look at what is there, move away "
            f"what is not yours, and close it: fleetctl exec {node} -- chmod -R go-w {STATE}",
        )
    if _NO_FOLDER.search(said):
        return WriteRefusal("state-unwritable", "Move away what is there in place of a folder")
    return WriteRefusal(
        "state-unwritable",
        f"The account must own {STATE} and the folders above it in its home. Which it does not: "
        f"fleetctl exec {node} -- 'ls -ld ~/.local ~/.local/state {STATE}'; to give it back, on "
        'the node: sudo chown -R "$(id -u)" ~/.local',
    )
