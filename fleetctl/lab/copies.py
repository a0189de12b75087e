"""Files that every node of a lab gets a copy of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from fleetctl.errors import LabError

Copies = Sequence[tuple[Path, str]]
"""Files or folders, each with its destination: as the user wrote it (``~/demo``), and after
:func:`checked` relative to a home folder."""


def checked(copies: Copies) -> Copies:
    """``copies`` with destinations relative to the home folder.

    :raises LabError: a source does not exist, or a destination is not below the home folder.
    """
    for source, _ in copies:
        if not source.exists():
            raise LabError(f"cannot copy {source} to the nodes: there is no such file")
    return [(source, _below_home(place)) for source, place in copies]


def _below_home(written: str) -> str:
    path = PurePosixPath(written)
    inner = path.relative_to("~") if path.parts[:1] == ("~",) else path
    if inner.is_absolute() or ".." in inner.parts or not inner.parts:
        raise LabError(f"cannot copy to {written!r}: it must be a place like ~/demo")
    return str(inner)
