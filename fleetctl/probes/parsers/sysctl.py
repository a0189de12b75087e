"""``sysctl``: ``key: value`` of macOS, ``key = value`` of Linux, and bare values with ``-n``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from fleetctl.probes.parsers.failures import absent, unparsed
from fleetctl.probes.parsers.number import whole
from fleetctl.probes.parsers.unparsed import Unparsed

# A dot in the key keeps lines such as "Warning: something" out.
_NAMED = re.compile(r"([A-Za-z_][\w/@-]*(?:\.[\w/@-]+)+)\s*(?:[:=](?:\s+(.*))?)", re.ASCII)
_UNKNOWN = re.compile(
    r"unknown oid:? ['\"]?(?P<macos>[\w./-]+)"
    r"|cannot stat /proc/sys/(?P<path>[^\s:]+): No such file"
    r"|/proc/sys/(?P<cat>[^\s:']+)['\"]?: No such file"
    r"|['\"](?P<quoted>[\w./-]+)['\"] is an unknown key"
    r"|(?:top|second|third|fourth|fifth) level name \S+ in (?P<level>[\w./-]+) is invalid"
)
_DENIED = re.compile(
    r"permission denied on key ['\"](?P<key>[\w./-]+)"
    r"|(?<![\w.-])(?P<macos>[\w.-]{1,200}): Operation not permitted"
)
_BOOT = re.compile(r"\{ sec = (\d+), usec = \d+ \}")


class Sysctl(Struct, frozen=True):
    """Values as they are printed, and keys that could not be read."""

    values: dict[str, str]
    failed: dict[str, str]
    """The word for the failure by key: ``unknown_oid``, ``permission_denied``."""

    @property
    def error(self) -> str | None:
        """Of the first key that could not be read."""
        return next(iter(self.failed.values()), None)


def parse_sysctl(text: str) -> Sysctl | Unparsed:
    """The named values in ``text``."""
    values: dict[str, str] = {}
    failed = _failed(text)
    for line in text.splitlines():
        named = _NAMED.fullmatch(line.strip())
        if named is not None and not _failed(line):
            values.setdefault(named[1], (named[2] or "").strip())
    return Sysctl(values, failed) if values or failed else unparsed(text)


def parse_values(text: str, keys: Sequence[str]) -> Sysctl | Unparsed:
    """The bare values of ``sysctl -n KEY...``, a line each in the order asked.

    A key that is missing drops its line, so the lines must be as many as the keys that are left.
    """
    failed = _failed(text)
    lines = [
        line.strip()
        for line in text.splitlines()
        if line.strip() and not _failed(line) and not line.startswith("sysctl:")
    ]
    if absent(text):
        return unparsed(text)
    if failed and not lines:
        return Sysctl({}, failed)
    left = [key for key in keys if key not in failed]
    if not lines or len(left) != len(lines):
        return unparsed(text)
    return Sysctl(dict(zip(left, lines, strict=True)), failed)


def parse_value(text: str) -> str | Unparsed:
    """The one bare value of ``sysctl -n KEY``; ``unknown_oid`` where there is none."""
    found = parse_values(text, [""])
    if isinstance(found, Unparsed):
        return found
    return found.values.get("") or Unparsed(text, found.error or "unrecognised")


def boot_time_s(value: str) -> int | None:
    """Of ``kern.boottime``: seconds since 1970."""
    match = _BOOT.search(value)
    return None if match is None else whole(match[1])


def _failed(text: str) -> dict[str, str]:
    failed: dict[str, str] = {}
    for match in _UNKNOWN.finditer(text):
        said = next(filter(None, match.groups()), "")
        key = said.replace("/", ".") if match["path"] or match["cat"] else said
        failed.setdefault(key, "unknown_oid")
    for match in _DENIED.finditer(text):
        failed.setdefault(match["key"] or match["macos"], "permission_denied")
    return failed
