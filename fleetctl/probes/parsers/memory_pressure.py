"""``memory_pressure -Q`` of macOS: one line counts, the others differ by version."""

from __future__ import annotations

import re

from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.unparsed import Unparsed

_LINE = re.compile(r"memory free percentage:\s*(\d{1,3})%", re.ASCII)


def parse_memory_pressure(text: str) -> int | Unparsed:
    """How much memory is free, in percent."""
    match = _LINE.search(text)
    if match is None or int(match[1]) > 100:
        return unparsed(text)
    return int(match[1])
