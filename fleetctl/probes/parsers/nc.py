"""``nc -z`` of macOS, OpenBSD's and the traditional one of Linux, ncat, and bash's /dev/tcp."""

from __future__ import annotations

from fleetctl.probes.parsers.failures import absent, phrase, unparsed
from fleetctl.probes.parsers.unparsed import Unparsed

_OPEN = (" succeeded!", ") open", "Ncat: Connected to")
_TIMEOUT_STATUS = 124  # of timeout(1) around it


def parse_nc(text: str, status: int) -> str | Unparsed:
    """``open``, or why not: ``refused``, ``timeout``, ``no_route_to_host``, ``unknown_host``, ...

    Without ``-v`` nc is silent, so that a port that is not open has no reason but ``closed``.
    """
    if status == 0 or any(said in text for said in _OPEN):
        return "open"
    if absent(text):
        return unparsed(text)
    for line in text.splitlines():
        word = phrase(line)
        if word is not None:
            return word
    if status == _TIMEOUT_STATUS:
        return "timeout"
    return unparsed(text) if text.strip() else "closed"
