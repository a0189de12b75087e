"""Text that others wrote, made safe to print: a terminal takes what it says as words only."""

from __future__ import annotations

import re
import unicodedata

from fleetctl.patterns import pattern

HIDDEN = "\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff"
"""For a character class: what turns the direction of text, ends lines or has no width (Unicode
Standard Annex 9, and chapter 23.2)."""

_UNSAFE = pattern(f"[\x00-\x1f\x7f-\x9f{HIDDEN}]")


def visible(text: str) -> str:
    """``text`` in one line, with each character that a terminal would obey or hide as its escape,
    such as ``\\x1b``; ends of lines and tabs are blanks."""
    return _UNSAFE.sub(_written, text)


_OBEYED = pattern(f"[\x00-\x08\x0b-\x1b\x7f-\x9f{HIDDEN}]")


def harmless(text: str) -> str:
    """``text``, which may have many lines, with a replacement character for each that a terminal
    would obey or hide; tabs, ends of lines and separators (U+001C to U+001F) stay."""
    return _OBEYED.sub("\N{REPLACEMENT CHARACTER}", text)


def _written(match: re.Match[str]) -> str:
    character = match[0]
    if character in "\t\n\r":
        return " "
    if unicodedata.category(character) == "Cc":
        return f"\\x{ord(character):02x}"
    return f"\\u{ord(character):04x}"
