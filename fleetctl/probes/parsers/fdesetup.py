"""``fdesetup status`` of macOS: whether FileVault encrypts the startup disk."""

from __future__ import annotations

import re

from fleetctl.patterns import pattern
from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.unparsed import Unparsed

_STATUS = pattern(r"^FileVault is (On|Off)\b", re.M)


def parse_filevault(text: str) -> bool | Unparsed:
    """Whether FileVault is on; further lines tell of a change that is going on."""
    found = _STATUS.search(text)
    return unparsed(text) if found is None else found[1] == "On"
