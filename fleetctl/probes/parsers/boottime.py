"""``sysctl -n kern.boottime`` of macOS: ``{ sec = 1763798400, usec = 5 } Sat Nov 22 …``."""

from __future__ import annotations

from fleetctl.patterns import pattern
from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.unparsed import Unparsed

_BOOT = pattern(r"\{ sec = ([0-9]{1,18}), usec = [0-9]+ \}")


def parse_boottime(text: str) -> int | Unparsed:
    """The boot time, in seconds since 1970."""
    match = _BOOT.search(text)
    return unparsed(text) if match is None else int(match[1])
