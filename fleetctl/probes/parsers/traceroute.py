"""``traceroute -n`` of macOS and Linux, and ``tracepath -n``: numbered lines, ``*`` for silence."""

from __future__ import annotations

import re
from ipaddress import IPv4Address

from msgspec import Struct

from fleetctl.probes.parsers import address
from fleetctl.probes.parsers.failures import absent, phrase, unparsed
from fleetctl.probes.parsers.number import whole
from fleetctl.probes.parsers.unparsed import Unparsed

_HEAD = re.compile(r"traceroute to \S+ \((\d+\.\d+\.\d+\.\d+)\)", re.ASCII)
_HOP = re.compile(r"\s*(\d{1,3})(?::|\?:)?(?:\s+(.*))?", re.ASCII)
_ADDRESS = re.compile(r"(?<![\w.])\(?(\d+\.\d+\.\d+\.\d+)\)?(?![\w.])", re.ASCII)
_OWN = re.compile(r"traceroute: |connect: |tracepath: |\S+: (?:Name|Temporary)")


class Traceroute(Struct, frozen=True):
    """The way as far as anything on it answered."""

    target: IPv4Address | None = None
    hops: tuple[tuple[IPv4Address, ...], ...] = ()
    """Who answered at each distance, from 1 on; nobody: ``()``."""
    reached: bool = False
    error: str | None = None
    """A short stable word: ``unknown_host``, ``network_unreachable``, ..."""
    error_text: str | None = None
    """The line that says so."""


def parse_traceroute(text: str) -> Traceroute | Unparsed:
    """The hops in ``text``, which holds what came on either stream."""
    target: IPv4Address | None = None
    hops: dict[int, list[IPv4Address]] = {}
    last = 0
    error = error_text = None
    reached = False
    for line in text.splitlines():
        head, hop = _HEAD.search(line), _HOP.fullmatch(line)
        if head is not None:
            target = address.ipv4(head[1])
        elif hop is not None and 0 < (whole(hop[1]) or 0) <= last + 64:
            last = int(hop[1])
            hops.setdefault(last, []).extend(_addresses(hop[2] or ""))
            reached = reached or line.endswith(" reached")
        elif last and line.startswith("  ") and not line.strip().startswith(("Resume", "Too many")):
            hops[last].extend(_addresses(line))  # another router at the same distance
        elif error is None and _OWN.match(line) and not absent(line):
            error = phrase(line)
            error_text = None if error is None else line.strip()
    if target is None and not hops and error is None:
        return unparsed(text)
    found = tuple(
        tuple(dict.fromkeys(hops.get(number, ()))) for number in range(1, max(hops, default=0) + 1)
    )
    return Traceroute(
        target=target,
        hops=found,
        reached=reached or (target is not None and any(target in hop for hop in found)),
        error=error,
        error_text=error_text,
    )


def _addresses(said: str) -> list[IPv4Address]:
    return [found for text in _ADDRESS.findall(said) if (found := address.ipv4(text)) is not None]
