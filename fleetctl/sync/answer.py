"""What a node says of its copy, in the output of look.sh and digest.sh. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal, get_args

from msgspec import Struct

from fleetctl.model.syncing import Entry

Fault = Literal["missing", "file", "unwritable"]
_FAULTS: Mapping[str, Fault] = {name: name for name in get_args(Fault)}


class Copy(Struct, frozen=True):
    """The copy on a node, and what the last sync left written down about it."""

    system: str
    """As ``uname -s`` says."""
    folder: str
    """Its absolute path; empty: there is none."""
    fault: Fault | None
    free_bytes: int | None
    """On its disk; None: not known."""
    rsync: str
    """The first line of ``rsync --version``; empty: there is none."""
    sent: Mapping[str, str]
    """By path: a digest of what it was on the controller."""
    there: Mapping[str, Entry]
    """By path: what the node said of it after the last sync that concerned it."""
    now: Mapping[str, Entry]
    """By path: what it is now; what is missing is not there."""
    same: bool = False
    """Nothing has changed since the last sync, here or there; then ``sent``, ``there`` and ``now``
    are not told."""


_LINE = re.compile(r"(0[0-7]+|[0-9a-f]+) (\d+) (-?\d+) (.+)", re.DOTALL)


def read_copy(text: str) -> Copy:
    """Read the output of look.sh; lines that cannot be understood are left out."""
    parts: dict[str, list[str]] = {"": [], "sent": [], "there": [], "now": []}
    lines = parts[""]
    for line in text.split("\n"):
        if line.startswith("=") and line[1:] in parts:
            lines = parts[line[1:]]
        elif line:
            lines.append(line)
    said = dict(line.partition(" ")[::2] for line in parts[""])
    free = said.get("free_kib", "")
    return Copy(
        system=said.get("system", ""),
        folder=said.get("folder", ""),
        fault=_FAULTS.get(said.get("fault", "")),
        free_bytes=int(free) * 1024 if free.isascii() and free.isdigit() else None,
        rsync=said.get("rsync", ""),
        sent={path: digest for digest, _, path in (s.partition(" ") for s in parts["sent"])},
        there=_entries(parts["there"]),
        now=_entries(parts["now"]),
        same=text.startswith("=same\n"),
    )


def _entries(lines: Iterable[str]) -> dict[str, Entry]:
    return {path: entry for path, entry in map(_entry, lines) if entry}


def _entry(line: str) -> tuple[str, Entry | None]:
    found = _LINE.fullmatch(line)
    if found is None:
        return "", None
    mode = int(found[1], 8 if found[1].startswith("0") else 16)
    return found[4], entry(mode, int(found[2]), int(found[3]))


def entry(mode: int, size: int, mtime: int, target: str = "", fraction_ns: int = 0) -> Entry:
    """An entry by the values of stat(2)."""
    kind = mode & 0o170000
    if kind == 0o120000:
        return Entry("link", 0, size, 0, target)
    name: Literal["file", "other"] = "file" if kind == 0o100000 else "other"
    return Entry(name, mode & 0o777, size, mtime, "", fraction_ns)


def line(path: str, entry: Entry) -> str:
    """A line of ``there``, as describe.sh prints it."""
    kind = {"file": 0o100000, "link": 0o120000, "other": 0o040000}[entry.kind]
    return f"{kind | entry.mode:x} {entry.size} {entry.mtime} {path}"
