"""``nmcli -t``: fields separated by ``:``, with a backslash before ``:`` and ``\\`` inside them."""

from __future__ import annotations

import re

from msgspec import Struct

from fleetctl.patterns import pattern
from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.unparsed import Unparsed

_ERRORS = (
    (pattern(r"NetworkManager is not running|could not create NMClient", re.I), "not_running"),
    (pattern(r"Device '?[^']*'? not found|unknown device", re.I), "no_such_device"),
    (pattern(r"no such connection|unknown connection", re.I), "no_such_connection"),
    (pattern(r"invalid field|allowed fields", re.I), "invalid_field"),
    (pattern(r"not authorized|insufficient privileges", re.I), "not_authorized"),
    (pattern(r"timeout .*expired", re.I), "timeout"),
    (pattern(r"activation failed", re.I), "activation_failed"),
)  # fmt: skip
_KEY = pattern(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_.-]+(?:\[\d+\])?")  # setting.property


class Connection(Struct, frozen=True):
    """A profile. Two may have the same name, so the UUID identifies it."""

    name: str
    uuid: str
    type: str
    device: str | None


def split_terse(line: str) -> tuple[str, ...]:
    """The fields of a line, without escapes."""
    fields: list[list[str]] = [[]]
    characters = iter(line)
    for character in characters:
        if character == ":":
            fields.append([])
        else:
            fields[-1].append(next(characters, "\\") if character == "\\" else character)
    return tuple("".join(field) for field in fields)


def error(text: str) -> str | None:
    """The word for nmcli's error, such as ``not_running`` (exit status 8); None without one."""
    for line in text.splitlines():
        if line.strip().startswith("Error:"):
            return next((word for known, word in _ERRORS if known.search(line)), "failed")
    return None


def parse_connections(text: str) -> tuple[Connection, ...] | Unparsed:
    """``-t -f NAME,UUID,TYPE,DEVICE connection show``.

    Lines with another number of fields (warnings) are skipped.
    """
    rows = (split_terse(line) for line in text.splitlines() if not _remark(line))
    found = tuple(
        Connection(name, uuid, type, device or None)
        for name, uuid, type, device in (row for row in rows if len(row) == 4 and any(row))
    )
    failed = error(text)
    if found and failed is None:
        return found
    return unparsed(text) if failed is None else Unparsed(text, failed)


def parse_properties(text: str) -> dict[str, str | None] | Unparsed:
    """``-t -f PROPERTIES connection show ID``: ``property:value`` lines, an empty value as None."""
    failed = error(text)
    if failed is not None:
        return Unparsed(text, failed)
    found: dict[str, str | None] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon and _KEY.fullmatch(key) and not _remark(line):
            # Not all versions escape here; a colon without a backslash shows one that does not.
            escaped = len(split_terse(value)) == 1
            found.setdefault(key, (split_terse(value)[0] if escaped else value) or None)
    return found or unparsed(text)


def _remark(line: str) -> bool:
    return line.startswith("Warning:")
