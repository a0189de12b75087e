"""What the dashboard looks like, and which commands were used, kept for the next time."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from fleetctl.local_files import write_private
from fleetctl.model.layout import STATE

FILE = f"{STATE}/dashboard.json"
_MOST_BYTES = 4096


class Kept(Struct, frozen=True):
    """As it was left; what is not known is ignored by those that use it."""

    theme: str = ""
    sort: str = ""
    zoomed: str = ""
    """The panel's class; empty: none."""
    layout: str = ""
    """See fleetctl/tui/layouts.py; empty: the first."""
    used: dict[str, int] = {}
    """How often each command of the palette was used."""


def read(path: str = FILE) -> Kept:
    """What was kept; nothing, if it cannot be read or is none of ours."""
    with suppress(OSError, RuntimeError, msgspec.DecodeError):  # RuntimeError: there is no home
        file = os.open(Path(path).expanduser(), os.O_RDONLY | os.O_NONBLOCK)  # it may be a FIFO
        with os.fdopen(file, "rb") as opened:
            if stat.S_ISREG(os.fstat(file).st_mode):
                return msgspec.json.decode(opened.read(_MOST_BYTES), type=Kept)
    return Kept()


def write(kept: Kept, path: str = FILE) -> None:
    """Keep it, as a whole or not at all; where it cannot be kept, nothing is said."""
    with suppress(OSError, RuntimeError):
        write_private(Path(path).expanduser(), msgspec.json.encode(kept))
