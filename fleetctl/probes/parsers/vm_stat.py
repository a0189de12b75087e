"""``vm_stat`` of macOS: counters in pages, with the page size in the first line."""

from __future__ import annotations

import re

from msgspec import Struct

from fleetctl.patterns import pattern
from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.number import whole
from fleetctl.probes.parsers.unparsed import Unparsed

_PAGE = pattern(r"page size of (\d+) bytes", re.ASCII)
_COUNTER = pattern(r'"?([A-Z][^":]*)"?:\s+(\d+)\.', re.ASCII)
_USED = ("Pages active", "Pages wired down", "Pages occupied by compressor")


class VmStat(Struct, frozen=True):
    """The counters by their printed names."""

    page_bytes: int | None
    """16384 on Apple silicon, 4096 on Intel; None if the line is missing."""
    pages: dict[str, int]

    @property
    def used_bytes(self) -> int | None:
        """Active, wired and compressed memory together."""
        if self.page_bytes is None or any(name not in self.pages for name in _USED):
            return None
        return sum(self.pages[name] for name in _USED) * self.page_bytes


def parse_vm_stat(text: str) -> VmStat | Unparsed:
    """The counters in ``text``: the lines that end in a dot."""
    page = _PAGE.search(text)
    pages: dict[str, int] = {}
    for line in text.splitlines():
        match = _COUNTER.fullmatch(line.strip())
        count = None if match is None else whole(match[2])
        if match is not None and count is not None:
            pages.setdefault(match[1], count)
    return VmStat(None if page is None else whole(page[1]), pages) if pages else unparsed(text)
