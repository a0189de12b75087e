"""How much is swapped out: ``/proc/swaps`` and ``/proc/vmstat`` of Linux, ``vm.swapusage`` of
macOS."""

from __future__ import annotations

import re

from fleetctl.patterns import pattern
from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.number import decimal
from fleetctl.probes.parsers.unparsed import Unparsed

_USAGE = pattern(r"used = (?P<used>[0-9]{1,12}[.,][0-9]{2})M", re.ASCII)


def parse_swapusage(text: str) -> int | Unparsed:
    """The bytes in use of ``total = 2048.00M  used = 1034.25M  free = 1013.75M  (encrypted)``, as
    ``sysctl -n vm.swapusage`` prints it: always in units of 1024² bytes."""
    found = _USAGE.search(text)
    used = decimal(found["used"].replace(",", ".")) if found else None
    return unparsed(text) if used is None else round(used * 1024**2)
