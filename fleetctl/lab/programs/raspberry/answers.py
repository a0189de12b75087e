"""Output of nmcli: tables, values, and errors with their exit statuses."""

from __future__ import annotations

import os

from ..node import say

NOT_FOUND, INVALID, ACTIVATION_FAILED, FAILED = 10, 2, 4, 1


class Refused(Exception):
    """An error that ends nmcli, with message and exit status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Output:
    """How results are to be shown."""

    def __init__(self) -> None:
        self.terse = self.values_only = False
        self.escape = True
        self.fields: list[str] = []

    def row(self, values: list[str]) -> str:
        if not self.escape:
            return ":".join(values)
        return ":".join(v.replace("\\", "\\\\").replace(":", "\\:") for v in values)

    def table(self, columns: list[str], rows: list[dict[str, str]]) -> None:
        chosen = [f.upper() for f in self.fields if f.lower() not in ("all", "common")] or columns
        known = {key for row in rows for key in row} | set(columns)
        for name in chosen:
            if name not in known:
                raise Refused(
                    f"Error: invalid field '{name}'; allowed fields: {','.join(columns)}.", INVALID
                )
        shown = [[row.get(name, "") for name in chosen] for row in rows]
        if self.terse:
            for values in shown:
                say(self.row(values))
            return
        lines = [chosen, *[[v or "--" for v in values] for values in shown]]
        widths = [max(len(line[i]) for line in lines) for i in range(len(chosen))]
        for line in lines:
            say("  ".join(v.ljust(w) for v, w in zip(line, widths)) + " ")


def full(word: str, known: dict[str, str]) -> str:
    for name in known:
        if name.startswith(word):
            return known[name]
    raise Refused(f"Error: argument '{word}' not understood. Try passing --help instead.", INVALID)


def must_be_root(message: str, status: int = FAILED) -> None:
    if os.geteuid() != 0:
        raise Refused(message, status)
