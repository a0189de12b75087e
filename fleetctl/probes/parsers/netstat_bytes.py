"""``netstat -ibn`` of macOS: the bytes that went through each network interface."""

from __future__ import annotations

from collections.abc import Mapping

from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.number import whole
from fleetctl.probes.parsers.unparsed import Unparsed

_HEADS = ("Ibytes", "Opkts", "Oerrs", "Obytes")


def parse_netstat_bytes(text: str) -> Mapping[str, tuple[int, int]] | Unparsed:
    """Bytes in and out by interface, from the rows of links: those of addresses repeat them.

    Columns count from the right, since a link may have no address.
    """
    lines = text.splitlines()
    for place, line in enumerate(lines):
        heads = line.split()
        if set(_HEADS) <= set(heads):
            return _rows(lines[place + 1 :], *(heads.index(h) - len(heads) for h in _HEADS[::3]))
    return unparsed(text)


def _rows(lines: list[str], in_place: int, out_place: int) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for words in map(str.split, lines):
        if len(words) < 3 - in_place or not words[2].startswith("<Link#"):
            continue
        received, sent = whole(words[in_place]), whole(words[out_place])
        if received is not None and sent is not None:
            found[words[0].rstrip("*")] = (received, sent)  # * marks one that is down
    return found
