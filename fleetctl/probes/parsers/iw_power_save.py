"""``iw dev DEVICE get power_save`` of Linux."""

from __future__ import annotations

import re

from fleetctl.patterns import pattern
from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.unparsed import Unparsed

_LINE = pattern(r"^\s*Power save: (on|off)\s*$", re.MULTILINE)


def parse_power_save(text: str) -> bool | Unparsed:
    """Whether power saving is on: the radio sleeps between packets."""
    match = _LINE.search(text)
    if match is not None:
        return match[1] == "on"
    if "not supported" in text:
        return Unparsed(text, "not_supported")
    return unparsed(text)
