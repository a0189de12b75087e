"""Records on a node of what ``fix`` ran there: one file per command, deleted when it is undone."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fleetctl.model.layout import fixes_dir
from fleetctl.model.repairs import KeptRecord, RepairRecord
from fleetctl.quoting import quote, quote_path


def file_name(number: int, record: RepairRecord) -> str:
    """Sorts by ``number``, since the clock of a node or a controller may be set back."""
    return f"{number:06}-{record.at:%Y%m%dT%H%M%SZ}-{record.code}.json"


def number_of(name: str) -> int:
    """The number in a file's name; 0 for a file that is no record."""
    head = name.partition("-")[0]
    return int(head) if head.isascii() and head.isdigit() else 0


def list_script(fleet: str) -> str:
    """Prints every record, each after a line with the record separator and the file's name."""
    return (
        f"cd {quote_path(fixes_dir(fleet))} 2>/dev/null || exit 0\n"
        'for f in *.json; do [ -e "$f" ] || continue\n'
        'printf \'\\036%s\\n\' "$f"; cat "$f"; echo; done\n'
    )


def read_records(output: str) -> Iterator[KeptRecord]:
    """The records in the output of :func:`list_script`, oldest first, without incomplete ones."""
    found = []
    for part in output.split("\x1e")[1:]:
        name, _, text = part.partition("\n")
        try:
            found.append(KeptRecord(name, msgspec.json.decode(text, type=RepairRecord)))
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            continue
    yield from sorted(found, key=lambda kept: kept.name)


def write_script(fleet: str, name: str, size: int) -> str:
    """Writes stdin, ``size`` bytes, as a record; fails where that cannot be done."""
    return (
        f"umask 077; d={quote_path(fixes_dir(fleet))}; f=$d/{quote(name)}\n"
        f'mkdir -p "$d" && cat >"$f.new" || exit\n'
        f'[ $(($(wc -c <"$f.new"))) -eq {size} ] || {{ rm -f "$f.new"\n'
        "echo 'less of it arrived than was sent: a start-up file of the account reads stdin' >&2\n"
        'exit 1; }\nmv "$f.new" "$f"\n'
    )


def bare_script(command: str, *, stdin: bool = False) -> str:
    """Runs ``command`` in English, with stderr joined to stdout; exits with its status.

    :param stdin: let it read the script's stdin.
    """
    given = "" if stdin else "</dev/null "
    return f"umask 022; LC_ALL=C; export LC_ALL\n( {command}\n) {given}2>&1\n"


def forget_script(fleet: str, name: str) -> str:
    return f"rm -f {quote_path(fixes_dir(fleet))}/{quote(name)}\n"
