"""``uptime`` of macOS ("load averages:"), procps and BusyBox ("load average:")."""

from __future__ import annotations

import re

from msgspec import Struct

from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.loadavg import Load, load_of_uptime
from fleetctl.probes.parsers.number import whole
from fleetctl.probes.parsers.unparsed import Unparsed

_UP = re.compile(r"\bup\s+(.*?),?\s*(?:(\d+) users?,\s*)?load averages?:", re.ASCII)
_SECONDS = {"day": 86400, "hr": 3600, "hour": 3600, "min": 60, "minute": 60, "sec": 1, "second": 1}
_PART = re.compile(r"(\d{1,9}) (days?|hrs?|hours?|mins?|minutes?|secs?|seconds?)", re.ASCII)
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})", re.ASCII)


class Uptime(Struct, frozen=True):
    """How long the host is up, and its load."""

    up_s: int | None
    """To the minute; None where the text says it in another way."""
    users: int | None
    load: Load


def parse_uptime(text: str) -> Uptime | Unparsed:
    """The first line in ``text`` with load averages."""
    for line in text.splitlines():
        match, load = _UP.search(line), load_of_uptime(line)
        if match is not None and load is not None:
            return Uptime(up_s=_seconds(match[1]), users=whole(match[2]), load=load)
    return unparsed(text)


def _seconds(said: str) -> int | None:
    total = 0
    for part in re.split(r",\s*", said):
        unit, clock = _PART.fullmatch(part), _CLOCK.fullmatch(part)
        if unit is not None:
            total += int(unit[1]) * _SECONDS[unit[2].rstrip("s")]
        elif clock is not None:
            total += int(clock[1]) * 3600 + int(clock[2]) * 60
        else:
            return None
    return total
