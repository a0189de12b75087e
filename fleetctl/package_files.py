"""Files that come with fleetctl: the scripts that nodes run."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parent


@cache
def package_text(name: str) -> str:
    """The text of a file below the package, such as ``logs/segments.sh``.

    Read by its path, since importlib.resources takes longer to import than a script to read.
    """
    return (_PACKAGE / name).read_text("utf-8")
