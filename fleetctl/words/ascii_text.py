"""Text for a terminal that has ASCII alone: each character by one of the same width. Pure."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

_OURS = dict(
    zip(
        "●▲◐↻○□✖·→←↑↓⇢…▸▾▼◆•≤≥±°µ▁▂▃▄▅▆▇█▔",
        "*!~r-=x.><^v>~>vv+o<>~ u_.-~=+*#-",
        strict=True,
    )
) | {"🔎": "> "}
_BY_CATEGORY = {"Pd": "-", "Pi": "'", "Pf": "'", "Mn": "", "Me": "", "Cf": ""}
"""Dashes, quotation marks, and what stands in the column of the character before it."""
_MANY_DOTS = 4
"""Of a braille cell's eight."""


def in_ascii(text: str) -> str:
    """``text`` in as many columns, in ASCII: marks, lines, bars and curves by what is like them,
    letters without their accents, all else by ``?``."""
    return text if text.isascii() else "".join(map(_instead, text))


@lru_cache(maxsize=4096)
def _instead(character: str) -> str:
    if character.isascii():
        return character
    if ours := _OURS.get(character):
        return ours
    if (mark := _BY_CATEGORY.get(unicodedata.category(character))) is not None:
        return mark
    if 0x2800 <= (code := ord(character)) < 0x2900:
        return _braille(code - 0x2800)
    if 0x2500 <= code < 0x25A0:
        return _drawn(unicodedata.name(character))
    letter = unicodedata.normalize("NFKD", character)[0]
    if letter.isascii() and letter.isalpha():
        return letter
    return "??" if unicodedata.east_asian_width(character) in "WF" else "?"


def _drawn(name: str) -> str:
    """A box's line, or a part of a block, by its name."""
    if name.startswith("BOX"):
        if " AND " in name:
            return "+"
        return "|" if "VERTICAL" in name else "-" if "HORIZONTAL" in name else "+"
    return "|" if name.startswith(("LEFT", "RIGHT")) else "#"


def _braille(dots: int) -> str:
    """A cell of a curve, by how many of its dots there are, and where."""
    if not dots:
        return " "
    if dots.bit_count() >= _MANY_DOTS:
        return "#"
    upper, lower = dots & 0b00011011, dots & 0b11100100
    return ":" if upper and lower else "'" if upper else "."
