"""``pmset -g`` of macOS: the power settings in use, a name and a value per line.

Before them may stand one for the whole system, parted by tabs: ``SleepDisabled 1``, which
``pmset -a disablesleep 1`` sets. It outranks the rest.
"""

from __future__ import annotations

from msgspec import Struct

from fleetctl.patterns import pattern
from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.number import whole
from fleetctl.probes.parsers.unparsed import Unparsed

# After "sleep N" may follow, in parentheses, the processes that prevent sleep now.
_LINE = pattern(r"[ \t]+([A-Za-z][\w -]*?)[ \t]+(\S+)(?:[ \t]+\(.*\))?[ \t]*")


class PowerSettings(Struct, frozen=True):
    """The settings by their printed names."""

    values: dict[str, str]
    sleep_disabled: bool = False
    """It never sleeps, whatever ``sleep`` says."""

    @property
    def sleep_minutes(self) -> int | None:
        """Idle minutes before the host sleeps; 0: never."""
        return 0 if self.sleep_disabled else self.set_sleep_minutes

    @property
    def set_sleep_minutes(self) -> int | None:
        """What ``sleep`` is set to."""
        return whole(self.values.get("sleep"))

    @property
    def restarts(self) -> bool | None:
        """It starts again by itself when power returns; a portable has no such setting."""
        return {"0": False, "1": True}.get(self.values.get("autorestart", ""))

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
    if "sleep" not in values and start < 0:
        return unparsed(text)
    disabled = any(line.split() == ["SleepDisabled", "1"] for line in lines[: max(start, 0)])
    return PowerSettings(values, disabled)
