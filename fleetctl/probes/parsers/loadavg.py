"""Load averages: /proc/loadavg, ``sysctl vm.loadavg`` of macOS, and the end of ``uptime``."""

from __future__ import annotations

import re

from msgspec import Struct

from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.number import decimal
from fleetctl.probes.parsers.unparsed import Unparsed

_NUMBER = r"(\d{1,6}[.,]\d{1,4})"
_LINE = re.compile(
    rf"(?:vm\.loadavg:\s*)?\{{ {_NUMBER} {_NUMBER} {_NUMBER} \}}"  # a comma without LC_ALL=C
    rf"|{_NUMBER} {_NUMBER} {_NUMBER} \d+/\d+ \d+",
    re.ASCII,
)
_UPTIME = re.compile(rf"load averages?:\s*{_NUMBER},?\s+{_NUMBER},?\s+{_NUMBER}", re.ASCII)


class Load(Struct, frozen=True):
    """The load averages of the last 1, 5 and 15 minutes."""

    load1: float
    load5: float
    load15: float


def parse_loadavg(text: str) -> Load | Unparsed:
    """The load averages in ``text``."""
    for line in text.splitlines():
        match = _LINE.fullmatch(line.strip())
        if match is not None:
            found = _load(match)
            if found is not None:
                return found
    return unparsed(text)


def load_of_uptime(text: str) -> Load | None:
    """The load averages at the end of ``uptime``."""
    match = _UPTIME.search(text)
    return None if match is None else _load(match)


def _load(match: re.Match[str]) -> Load | None:
    values = [decimal(value) for value in match.groups() if value is not None]
    one, five, fifteen = values
    if one is None or five is None or fifteen is None:
        return None
    return Load(one, five, fifteen)
