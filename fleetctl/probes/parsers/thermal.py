"""/sys/class/thermal/thermal_zone0/temp of Linux: thousandths of a degree Celsius."""

from __future__ import annotations

import re

from fleetctl.patterns import pattern
from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.unparsed import Unparsed

_LINE = pattern(r"^\s*(-?\d{1,6})\s*$", re.MULTILINE | re.ASCII)


def parse_thermal(text: str) -> float | Unparsed:
    """The temperature in degrees Celsius."""
    found = [int(value) for value in _LINE.findall(text)]
    if len(found) != 1 or not -60_000 <= found[0] <= 200_000:
        return unparsed(text)
    return found[0] / 1000
