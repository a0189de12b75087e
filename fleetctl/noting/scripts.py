"""The scripts that write and read notes on a node."""

from __future__ import annotations

import re

import msgspec

from fleetctl.model.actions import Note, Told, read_note
from fleetctl.model.layout import actions_dir
from fleetctl.package_files import package_text
from fleetctl.quoting import quote, quote_path

HALF_BYTES = 128 * 1024
"""A file that is as large becomes the older half."""
LINE_BYTES = 3500
"""Longer lines are not noted as they are."""
_SECONDS = re.compile("[0-9]{1,12}")


def note_script(fleet: str, note: Note) -> str:
    """The script that notes ``note``; see note.sh."""
    line = msgspec.json.encode(note)
    if len(line) > LINE_BYTES:
        line = msgspec.json.encode(msgspec.structs.replace(note, instances=()))
    begun = line.decode("utf-8", "surrogateescape").removesuffix("}") + ","
    return (
        f"dir={quote_path(actions_dir(fleet))} most={HALF_BYTES}\nline={quote(begun)}\n"
        f"{package_text('launch/private.sh')}{package_text('noting/note.sh')}"
    )


def noted_first(fleet: str, note: Note, script: str) -> str:
    """``script``, which notes ``note`` first; where that fails, nothing is said of it."""
    return f"(\n{note_script(fleet, note)}) </dev/null >/dev/null 2>&1\n{script}"


def read_script(fleet: str, size: str) -> str:
    """The script that prints the node's time and what :attr:`Told.size` is now, and then all that
    is noted, unless that is ``size``."""
    return (
        "date +%s\n"
        f"cd {quote_path(actions_dir(fleet))} 2>/dev/null || {{ echo none; exit 0; }}\n"
        "total= found=\n"
        "for file in .actions.1 .actions; do\n"
        '[ -f "$file" ] && [ ! -L "$file" ] || continue\n'
        'found="$found $file" total="$total:$(($(wc -c <"$file")))"\n'
        "done\n"
        'echo "${total:-none}"\n'
        f'[ "${{total:-none}}" = {quote(size)} ] || [ -z "$found" ] || '
        f"for file in $found; do tail -c {2 * HALF_BYTES} $file; done\n"
    )


def read_notes(output: str, size: str, asked_s: float) -> Told:
    """What :func:`read_script` printed.

    :param asked_s: when it was, in seconds since 1970.
    """
    now, _, rest = output.partition("\n")
    total, _, lines = rest.partition("\n")
    if not _SECONDS.fullmatch(now) or not total:
        return Told(error="its answer was cut off")
    ahead_s = int(now) + 0.5 - asked_s  # its whole seconds are half a second behind on average
    found = (read_note(line, ahead_s) for line in lines.split("\n") if line)
    return Told(tuple(note for note in found if note), total, same=total == size != "none")
