"""Reading an ``env_file`` (.env): secrets that are passed on and never shown."""

from __future__ import annotations

import re

from fleetctl.errors import UsageError
from fleetctl.local_files import read_bounded

MOST_BYTES = 1024 * 1024
"""The most that an env_file may have; Linux gives a process two MiB for all its variables."""

_ASSIGNMENT = re.compile(
    r"""\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=[ \t]*
    (?: '(?P<single>[^']*)' | "(?P<double>(?:[^"\\]|\\.)*)" | (?P<bare>[^\n]*?) )
    [ \t]*(?:[ \t]\#[^\n]*)?(?:\n|\Z)""",
    re.VERBOSE | re.DOTALL,
)
_BLANK = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def read_env_file(path: str) -> dict[str, str]:
    """The variables in the file at ``path``.

    Lines are ``NAME=value``, optionally after ``export``. In single quotes everything is literal;
    in double quotes ``\\n \\t \\r \\" \\\\`` are understood; both may span lines. Nothing is
    expanded. ``#`` begins a comment at the start of a line or after a blank.

    :raises UsageError: the file cannot be read or a line is something else. The message contains no
        value.
    """
    try:
        text = read_bounded(path, MOST_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(f"env_file {path} cannot be read: {why}") from None
    return parse_env(text.replace("\r\n", "\n"), path)


def parse_env(text: str, source: str) -> dict[str, str]:
    """As :func:`read_env_file`, for a text; ``source`` names it in the error message."""
    variables: dict[str, str] = {}
    position = 0
    while position < len(text):
        if blank := _BLANK.match(text, position):
            position = blank.end()
            continue
        found = _ASSIGNMENT.match(text, position)
        if found is None or (found["bare"] or "")[:1] in ("'", '"'):
            line = text.count("\n", 0, position) + 1
            raise UsageError(
                f"{source}:{line}: not a NAME=value line, or a quote that is not closed"
            )
        if found["single"] is not None:
            value = found["single"]
        elif found["double"] is not None:
            value = re.sub(
                r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), found["double"], flags=re.DOTALL
            )
        else:
            value = re.split(r"(?:^|[ \t])#", found["bare"], maxsplit=1)[0].rstrip()
        if "\0" in value:
            raise UsageError(f"{source}: the value of {found['name']} holds a NUL byte")
        variables[found["name"]] = value
        position = found.end()
    return variables
