"""The version in what a program prints about itself."""

from __future__ import annotations

from collections.abc import Iterable

from fleetctl.patterns import pattern

_DOTTED = pattern(r"(?<![0-9.])[0-9]{1,9}(?:\.[0-9]{1,9}){1,5}")
_WHOLE = pattern(r"(?<![0-9A-Za-z.])[0-9]{1,9}(?![0-9])")
_NO_VERSION = pattern(r"protocol version [0-9]+")
"""Apple's rsync says which protocol it speaks before it says which version it is."""


def parse_version(lines: Iterable[str]) -> str | None:
    """The first number in the first line that has one, preferably one with dots in it.

    ``Python 3.11.2``, ``git version 2.39.5 (Apple Git-154)``, ``iperf 3.9 (cJSON 1.7.13)``,
    ``tmux 3.3a``, ``less 590 (GNU regular expressions)``.
    """
    for line in lines:
        line = _NO_VERSION.sub("", line)
        if found := _DOTTED.search(line) or _WHOLE.search(line):
            return found[0]
    return None
