"""What a nodes.yaml decides about trust is told once: again where that, or the file's place,
changes."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

import msgspec

from fleetctl.local_files import nobody_else_writes, read_bounded, write_private
from fleetctl.model.layout import STATE
from fleetctl.model.topology import Fleet
from fleetctl.words.trust import choice_lines, choices

FILE = f"{STATE}/told.json".removeprefix("~/")
"""Below the home folder. By path of a nodes.yaml, the digest of what was told of it."""
_MOST_FILES = 200
_MOST_BYTES = 2**20


def not_yet_told(path: Path, fleet: Fleet) -> list[str]:
    """The lines to print now, before anything is connected to."""
    chosen = choices(fleet)
    if not chosen or not remember(path, fleet):
        return []
    return choice_lines(chosen, str(path))


def remember(path: Path, fleet: Fleet, *, home: Path | None = None) -> bool:
    """Take note that the choices of ``path`` were told; False: that is known already.

    Where no note can be taken, they are told every time.

    :param home: the folder of the user for whom; None: of this one.
    """
    digest = hashlib.sha256(msgspec.json.encode(choices(fleet))).hexdigest()
    try:
        place = (home or Path.home()) / FILE
        whose = str(path.resolve())
    except (OSError, RuntimeError):  # there is no home folder
        return True
    known = _read(place)
    if known.pop(whose, None) == digest:
        return False
    while len(known) >= _MOST_FILES:
        del known[next(iter(known))]
    with suppress(OSError, UnicodeEncodeError):
        write_private(place, msgspec.json.encode({**known, whose: digest}))
    return True


def _read(place: Path) -> dict[str, str]:
    if nobody_else_writes(place) and nobody_else_writes(place.parent):
        with suppress(OSError, msgspec.DecodeError):
            return msgspec.json.decode(read_bounded(place, _MOST_BYTES), type=dict[str, str])
    return {}
