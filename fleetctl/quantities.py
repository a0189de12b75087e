"""Numbers as text: counts, durations, sizes, round-trip times. Pure."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """A number with its noun in the right form."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """About two significant places: 12s, 4m10s, 3h05m, 12d4h."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600}h"


def size(number: int) -> str:
    """Bytes in binary units, as with ``df -h``."""
    value = float(number)
    for unit in ("B", "K", "M", "G", "T"):
        if value < 1024 or unit == "T":
            return f"{value:.0f}{unit}" if value >= 10 or unit == "B" else f"{value:.1f}{unit}"
        value /= 1024
    raise AssertionError("unreachable")


def rtt(milliseconds: float) -> str:
    """Milliseconds with three significant places."""
    return f"{milliseconds:.3g}ms"
