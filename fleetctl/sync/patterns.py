"""The patterns of ``exclude``, close to those of gitignore(5). Pure.

A pattern without ``/``, but for one at its end, is a name at any depth; any other is a path from
the folder on. ``*`` and ``?`` stay within a name, ``**`` does not; a ``/`` at the end is for
folders only. What is in an excluded folder is excluded, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

_PARTS = re.compile(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)


def excluder(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Whether a path of a file, relative to the folder, is excluded."""
    if not patterns:
        return lambda path: False
    matches = re.compile("|".join(map(_expression, patterns)), re.DOTALL).match
    return lambda path: matches(path) is not None


def _expression(pattern: str) -> str:
    folders_only = pattern.endswith("/")
    body = pattern.rstrip("/")
    anywhere = "/" not in body
    text = "".join(_part(found[0]) for found in _PARTS.finditer(body.lstrip("/")))
    return f"(?:{'(?:.*/)?' if anywhere else ''}{text}{'/' if folders_only else '(?:/|$)'})"


def _part(part: str) -> str:
    match part:
        case "**/":
            return "(?:.*/)?"
        case "**":
            return ".*"
        case "*":
            return "[^/]*"
        case "?":
            return "[^/]"
    if part.startswith("[") and len(part) > 2:
        negated = part[1] == "!"
        inside = part[2 if negated else 1 : -1].replace("\\", r"\\").replace("^", r"\^")
        inside = inside.replace("[", r"\[").replace("]", r"\]").replace("&&", r"&\&")
        try:
            re.compile(f"[{inside}]")
        except re.error:  # [z-a], for example
            return re.escape(part)
        return f"(?!/)[{'^' if negated else ''}{inside}]"
    return re.escape(part)
