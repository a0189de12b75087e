"""``pmset -g`` of macOS: the power settings in use, a name and a value per line."""

from __future__ import annotations

import re

from msgspec import Struct

from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.number import whole
from fleetctl.probes.parsers.unparsed import Unparsed

# After "sleep N" may follow, in parentheses, the processes that prevent sleep now.
_LINE = re.compile(r"[ \t]+([A-Za-z][\w -]*?)[ \t]+(\S+)(?:[ \t]+\(.*\))?[ \t]*")


class PowerSettings(Struct, frozen=True):
    """The settings by their printed names."""

    values: dict[str, str]

    @property
    def sleep_minutes(self) -> int | None:
        """Idle minutes before the host sleeps; 0: never."""
        return whole(self.values.get("sleep"))

    @property
    def disk_sleep_minutes(self) -> int | None:
        return whole(self.values.get("disksleep"))


def parse_pmset(text: str) -> PowerSettings | Unparsed:
    """The settings in use: those below "Currently in use:", if the text has that line."""
    lines = text.splitlines()
    start = next((n for n, line in enumerate(lines) if line.startswith("Currently in use:")), -1)
    values: dict[str, str] = {}
    for line in lines[start + 1 :]:
        match = _LINE.fullmatch(line)
        if match is not None:
            values.setdefault(match[1], match[2])
    return PowerSettings(values) if "sleep" in values or start >= 0 else unparsed(text)
