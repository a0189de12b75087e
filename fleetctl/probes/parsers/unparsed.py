"""What a parser returns for text that it cannot read: the text, and why not."""

from __future__ import annotations

from typing import TypeVar

from msgspec import Struct

_T = TypeVar("_T")


class Unparsed(Struct, frozen=True):
    """Text that was not understood: the value is unknown, never a guess."""

    text: str
    """All of it, as received."""
    reason: str
    """A short stable word: the tool's error, if it is known (``no_such_interface``,
    ``command_not_found``), else ``empty``, ``bad_json``, ``incomplete`` or ``unrecognised``."""


def known(found: _T | Unparsed) -> _T | None:
    """What was read; None for unparsed text, if the reason does not matter."""
    return None if isinstance(found, Unparsed) else found
