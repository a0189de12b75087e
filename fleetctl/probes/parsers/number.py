"""Numbers in text that anything may have written."""

from __future__ import annotations

import re

_DIGITS = 18  # fits 64 bits, and Python refuses to convert thousands of digits
_DECIMAL = re.compile(r"-?[0-9]{1,18}(?:[.,][0-9]{1,18})?", re.ASCII)


def whole(text: str | None) -> int | None:
    """``text`` as a number where it is nothing but a few ASCII digits."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        return None
    return int(text)


def decimal(text: str | None) -> float | None:
    """``text`` as a number with or without a fraction; a comma locale is understood."""
    if text is None or not _DECIMAL.fullmatch(text):
        return None
    return float(text.replace(",", "."))
