"""Reading numbers from untrusted text."""

from __future__ import annotations

import re

from fleetctl.patterns import pattern

_DIGITS = 18  # fits 64 bits, and Python refuses to convert thousands of digits
_DECIMAL = pattern(r"-?[0-9]{1,18}(?:[.,][0-9]{1,18})?", re.ASCII)


def whole(text: str | None) -> int | None:
    """``text`` as a number, if it is at most 18 ASCII digits."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        return None
    return int(text)


def decimal(text: str | None) -> float | None:
    """``text`` as a number with or without a fraction, after a point or a comma."""
    if text is None or not _DECIMAL.fullmatch(text):
        return None
    return float(text.replace(",", "."))
