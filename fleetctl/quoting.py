"""Quoting for POSIX shells, for text from users that becomes part of a script."""

from __future__ import annotations

import shlex
from collections.abc import Sequence


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
        parts = [part for part in path[2:].split("/") if part not in ("", ".")]
        return f'"$HOME"/{shlex.quote("/".join(parts) or ".")}'
    return shlex.quote(path)
