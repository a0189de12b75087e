"""Whole numbers in text that anything may have written."""

from __future__ import annotations

_DIGITS = 18  # fits 64 bits, and Python refuses to convert thousands of digits


def whole(text: str | None) -> int | None:
    """``text`` as a number where it is nothing but a few ASCII digits."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        return None
    return int(text)
