"""``vcgencmd`` of Raspberry Pi OS: throttling."""

from __future__ import annotations

import re

from msgspec import Struct

from fleetctl.patterns import pattern
from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.unparsed import Unparsed

_THROTTLED = pattern(r"^\s*throttled=0x([0-9a-fA-F]{1,8})\s*$", re.MULTILINE)


class Throttled(Struct, frozen=True):
    """The bits of ``get_throttled``: 0 to 3 for now, 16 to 19 for the time since the boot.

    They mean under-voltage, frequency capped, throttled, and at the soft temperature limit.
    """

    raw: int

    @property
    def now(self) -> bool:
        """Whether any of the bits 0 to 3 is set."""
        return bool(self.raw & 0xF)

    @property
    def under_voltage_now(self) -> bool:
        return bool(self.raw & 1)

    @property
    def under_voltage_since_boot(self) -> bool:
        return bool(self.raw >> 16 & 1)


def parse_throttled(text: str) -> Throttled | Unparsed:
    """``vcgencmd get_throttled``."""
    match = _THROTTLED.search(text)
    return _failed(text) if match is None else Throttled(int(match[1], 16))


def _failed(text: str) -> Unparsed:
    if "VCHI initialization failed" in text or "Can't open device file" in text:
        return Unparsed(text, "permission_denied")  # the user is not in the group video
    if "Command not registered" in text:
        return Unparsed(text, "not_supported")
    return unparsed(text)
