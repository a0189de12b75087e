"""What a parser returns for text that it cannot read: the text, and why not."""

from __future__ import annotations

from typing import TypeVar

from msgspec import Struct

_T = TypeVar("_T")


class Unparsed(Struct, frozen=True):
    """Text without a sure reading; an unknown value, never a guess."""

    text: str
    """All of it, as it was received."""
    reason: str
    """A short stable word: what the tool said of itself where that is known
    (``no_such_interface``, ``command_not_found``), else ``empty``, ``bad_json``,
    ``incomplete`` or ``unrecognised``."""


def known(found: _T | Unparsed) -> _T | None:
    """What was read, or None for what could not be, where the reason does not matter."""
    return None if isinstance(found, Unparsed) else found
