"""What a parser returns for text that it cannot read: the text, and why not."""

from __future__ import annotations

from msgspec import Struct


class Unparsed(Struct, frozen=True):
    """Text without a sure reading; an unknown value, never a guess."""

    text: str
    """All of it, as it was received."""
    reason: str
    """A short stable word: what the tool said of itself where that is known
    (``no_such_interface``, ``command_not_found``), else ``empty``, ``bad_json``,
    ``incomplete`` or ``unrecognised``."""
