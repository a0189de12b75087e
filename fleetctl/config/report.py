"""Mistakes in nodes.yaml, with their lines and columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple, NoReturn

from fleetctl.errors import ConfigError

TreePath = tuple[str | int, ...]
"""The keys and indices that lead to a value: ``("nodes", "pi4", "via", "fabric")``."""

SHOWN_CHOICES = 12
SHOWN_CHARACTERS = 60


class Position(NamedTuple):
    """A place in the text, counted from 1 as in editors."""

    line: int
    column: int


START = Position(1, 1)


class Report:
    """Collects the mistakes of one file, and knows the position of each of its values.

    :param source: the file's name, for the messages.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self._mistakes: dict[tuple[Position, str], None] = {}
        self._warnings: dict[tuple[Position, str], None] = {}
        self._keys: dict[TreePath, Position] = {}
        self._values: dict[TreePath, Position] = {}
        self._wrong: dict[TreePath, set[str | int]] = {}

    def place(self, path: TreePath, value: Position, key: Position | None = None) -> None:
        """Remember the positions of the value at ``path``, and of its key if it has one."""
        self._values[path] = value
        if key is not None:
            self._keys[path] = key

    def mistake(self, path: TreePath, text: str, *, key: bool = False) -> None:
        """Add a mistake at the value (or key) of ``path``, or at the innermost value around it."""
        self._wrong.setdefault(path, set())
        for length, below in enumerate(path):
            self._wrong.setdefault(path[:length], set()).add(below)
        self.mistake_at(self._mark(path, key), text)

    def mistake_at(self, mark: Position, text: str) -> None:
        """Add a mistake at ``mark``; the same mistake at the same place counts once."""
        self._mistakes[mark, " ".join(text.split())] = None

    def warning(self, path: TreePath, text: str) -> None:
        """Add what is allowed and hardly meant, at the value of ``path``."""
        self._warnings[self._mark(path, False), " ".join(text.split())] = None

    @property
    def warnings(self) -> list[str]:
        """All warnings with their places, in file order."""
        return [
            f"{self.source}:{mark.line}:{mark.column}: warning: {text}"
            for mark, text in sorted(self._warnings)
        ]

    def has(self, *path: str | int) -> bool:
        """Whether the file has a value at ``path``."""
        return path in self._values

    def wrong(self, *path: str | int) -> bool:
        """Whether a mistake was found at ``path`` or below it."""
        return path in self._wrong

    def incomplete(self, path: TreePath, known: Collection[str]) -> bool:
        """Whether something may be missing at ``path`` only because of a mistake: the value is
        wrong as a whole, or has a key that is not ``known`` and may be a misspelt one."""
        below = self._wrong.get(path)
        return below is not None and (not below or any(key not in known for key in below))

    @property
    def clean(self) -> bool:
        return not self._mistakes

    def fail(self) -> NoReturn:
        """Raise all mistakes, in file order.

        :raises ConfigError: always.
        """
        lines = [
            f"{self.source}:{mark.line}:{mark.column}: {text}"
            for mark, text in sorted(self._mistakes)
        ]
        raise ConfigError(lines)

    def _mark(self, path: TreePath, key: bool) -> Position:
        if key and path in self._keys:
            return self._keys[path]
        for length in range(len(path), -1, -1):
            around = path[:length]
            places = self._values if length == len(path) else self._keys
            if around in places:
                return places[around]
            if around in self._values:
                return self._values[around]
        return START


def quoted(text: str) -> str:
    """``text`` for a message: quoted, on one line, not too long."""
    shown = text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"
    return repr(shown)


def dotted(path: TreePath) -> str:
    """``path`` for a message: ``nodes.pi4.via.fabric``, ``services.worker.on[2]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            text += f".{part}" if text else part
    return text or "the file"


def choices(names: Iterable[str]) -> str:
    """The allowed names, listed for a message."""
    allowed = list(names)
    more = len(allowed) - SHOWN_CHOICES
    shown = ", ".join(allowed[:SHOWN_CHOICES])
    return f"{shown} and {more} more" if more > 0 else shown


def nearest(name: str, names: Iterable[str]) -> str:
    """The end of a sentence about an unknown ``name``: the nearest one, and what is allowed."""
    from difflib import get_close_matches  # slow to import, and needed only for a mistake

    allowed = list(names)
    if not allowed:
        return ": there is none in this file"
    close = get_close_matches(name[:SHOWN_CHARACTERS], allowed, 1, 0.6)
    if not close:
        folded = {n.casefold(): n for n in allowed}
        close = [folded[name.casefold()]] if name.casefold() in folded else []
    if close:
        return f": did you mean {close[0]!r}? (allowed: {choices(allowed)})"
    return f": allowed are {choices(allowed)}"
