"""Reading times as nodes write them."""

from __future__ import annotations

from datetime import UTC, datetime


def epoch_time(text: str | None) -> datetime | None:
    """Aware UTC, from epoch seconds; None if the text is no time."""
    try:
        return datetime.fromtimestamp(float(text or ""), UTC)
    except (ValueError, OverflowError, OSError):
        return None
