"""Words of a POSIX shell: where text from people becomes part of a script."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import PurePosixPath


def quote(text: str) -> str:
    """``text`` as one word of a POSIX shell."""
    return shlex.quote(text)


def join(argv: Sequence[str]) -> str:
    """``argv`` as a POSIX shell line."""
    return shlex.join(argv)


def quote_path(path: str) -> str:
    """A path on the node as one shell word; a leading ``~`` is the node's home folder."""
    if path == "~":
        return '"$HOME"'
    if path.startswith("~/"):
        rest = str(PurePosixPath(path[2:]))
        return f'"$HOME"/{shlex.quote(rest)}'
    return shlex.quote(path)
