"""``tmux list-sessions``, ``tmux has-session`` and the errors of every tmux command."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from fleetctl.probes.parsers.failures import absent, unparsed
from fleetctl.probes.parsers.number import whole
from fleetctl.probes.parsers.unparsed import Unparsed

_ERRORS = (
    (re.compile(r"no server running on|failed to connect to server|^no sessions$"), "no_server"),
    (re.compile(r"error connecting to .*\((?:No such file|Connection refused)"), "no_server"),
    (re.compile(r"error connecting to .*\(Permission denied"), "permission_denied"),
    (re.compile(r"error connecting to .*\(File name too long"), "path_too_long"),
    (re.compile(r"can't find (?:session|window|pane)|(?:session|window) not found"), "not_found"),
    (re.compile(r"duplicate session"), "duplicate"),
    (re.compile(r"open terminal failed|not a terminal"), "no_terminal"),
    (re.compile(r"protocol version mismatch"), "version_mismatch"),
    (re.compile(r"server exited unexpectedly|lost server|server exited"), "server_exited"),
    (re.compile(r"need UTF-8 locale|invalid LC_ALL"), "locale"),
)
_PLAIN = re.compile(
    r"(?P<name>.+): (?P<windows>\d{1,9}) windows \(created [^)]*\)(?P<rest>.*)", re.A
)


class Session(Struct, frozen=True):
    """One session."""

    name: str
    windows: int | None
    attached: int | None
    """How many clients look at it; the plain list says no more than whether any does."""


def error(text: str) -> str | None:
    """The word for an error of tmux in ``text``."""
    for line in text.splitlines():
        for known, word in _ERRORS:
            if known.search(line.strip()):
                return word
    return None


def parse_sessions(
    text: str, fields: Sequence[str] | None = None, separator: str = "|"
) -> tuple[Session, ...] | Unparsed:
    """The sessions in ``text``; without a server the reason is ``no_server``.

    ``fields`` are those of the format asked for, in its order: ``session_name``,
    ``session_windows``, ``session_attached`` and any others; None is the list without a format.
    """
    found = tuple(
        session
        for line in text.splitlines()
        if (session := _plain(line) if fields is None else _fields(line, fields, separator))
    )
    if found or not text.strip():
        return found
    failed = error(text)
    return unparsed(text) if failed is None else Unparsed(text, failed)


def parse_has_session(text: str, status: int) -> bool | Unparsed:
    """Whether ``tmux has-session`` found it; no server is no session."""
    if status == 0:
        return True
    failed = error(text)
    if failed in ("not_found", "no_server") and not absent(text):
        return False
    return unparsed(text) if failed is None else Unparsed(text, failed)


def _plain(line: str) -> Session | None:
    match = _PLAIN.fullmatch(line.rstrip())
    if match is None:
        return None
    return Session(match["name"], whole(match["windows"]), int("(attached)" in match["rest"]))


def _fields(line: str, fields: Sequence[str], separator: str) -> Session | None:
    values = line.split(separator)
    extra = len(values) - len(fields)
    if extra < 0 or "session_name" not in fields:
        return None
    # Only a name may hold the separator.
    at = list(fields).index("session_name")
    values[at : at + extra + 1] = [separator.join(values[at : at + extra + 1])]
    said = dict(zip(fields, values, strict=True))
    counts = {name: whole(said.get(name)) for name in ("session_windows", "session_attached")}
    if any(name in said and count is None for name, count in counts.items()):
        return None
    return Session(said["session_name"], counts["session_windows"], counts["session_attached"])
