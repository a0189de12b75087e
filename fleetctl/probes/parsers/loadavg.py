"""Load averages: /proc/loadavg or its first number, and ``sysctl vm.loadavg`` of macOS."""

from __future__ import annotations

import re

from fleetctl.patterns import pattern
from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.number import decimal
from fleetctl.probes.parsers.unparsed import Unparsed

_NUMBER = r"(\d{1,6}[.,]\d{1,4})"  # a comma without LC_ALL=C
_LINE = pattern(
    rf"(?:vm\.loadavg:\s*)?\{{ {_NUMBER} {_NUMBER} {_NUMBER} \}}"
    rf"|{_NUMBER}(?: {_NUMBER} {_NUMBER} \d+/\d+ \d+)?",
    re.ASCII,
)


def parse_loadavg(text: str) -> float | Unparsed:
    """The load average of the last minute."""
    for line in text.splitlines():
        match = _LINE.fullmatch(line.strip())
        load = None if match is None else decimal(match[1] or match[4])
        if load is not None:
            return load
    return unparsed(text)
