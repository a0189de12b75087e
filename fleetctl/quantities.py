"""Numbers as text: counts, long lists, durations, sizes, round-trip times. Pure."""

from __future__ import annotations

from collections.abc import Sequence

NAMED = 6
"""So many names are listed; more are counted."""


def count(number: int, noun: str) -> str:
    """A number with its noun in the right form."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(names: Sequence[str]) -> str:
    """Names for a sentence: ``a``, ``a and b``, ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def first_ones(names: Sequence[str], most: int = NAMED) -> str:
    """``a, b, c, d, e, f and 194 more``.

    :param most: so many are listed.
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


_TIMES = ("", "once", "twice", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def times(number: int) -> str:
    """How often: once, twice, three times, 11 times."""
    word = _TIMES[number] if 0 < number < len(_TIMES) else str(number)
    return word if number in (1, 2) else f"{word} times"


def in_a_row(why: str, failures: int, alike: int) -> str:
    """A failure and how often it came: "http://… answered 503 three times".

    :param alike: how many of the failures in a row, the last ones, were for the reason ``why``;
        0: it is one long failure, which is not counted.
    """
    if alike == 0:
        return why
    if alike < failures:
        return f"{why}, the last of {failures} failures in a row"
    return why if failures == 1 else f"{why} {times(failures)}"


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


def byte_rate(bytes_per_s: float) -> str:
    """Bytes a second in binary units: ``9.5M/s``."""
    return f"{size(int(bytes_per_s))}/s"


def rtt(milliseconds: float) -> str:
    """Milliseconds with three significant places."""
    return f"{milliseconds:.3g}ms"


def bandwidth(mbit_s: float) -> str:
    """Megabits a second: ``94 Mbit/s``, ``18.3 Gbit/s``, ``0.8 Mbit/s``."""
    if mbit_s >= 9999.5:
        return f"{mbit_s / 1000:.1f} Gbit/s"
    return f"{mbit_s:.0f} Mbit/s" if mbit_s >= 9.95 else f"{mbit_s:.1f} Mbit/s"
