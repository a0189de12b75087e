"""``route add``, ``change`` and ``delete`` of macOS. Their exit status is 0 even on failure."""

from __future__ import annotations

import re

from msgspec import Struct

from fleetctl.probes.parsers.failures import absent, phrase, unparsed
from fleetctl.probes.parsers.unparsed import Unparsed

_DONE = re.compile(r"(?:add|change|delete) (?:net|host) (?P<what>.+)")
_OWN = re.compile(r"route: |sudo: |(?:add|change|delete) (?:net|host) .*: ")


class RouteChange(Struct, frozen=True):
    """The outcome."""

    ok: bool
    error: str | None = None
    """A short stable word: ``exists``, ``not_in_table``, ``network_unreachable``, ``not_root``."""
    error_text: str | None = None
    """The line with the error."""


def parse_route_change(text: str) -> RouteChange | Unparsed:
    """The outcome in ``text``, which is stdout and stderr."""
    done = False
    for line in text.splitlines():
        said = line.strip()
        if _OWN.match(said) and not absent(said):
            error = phrase(said)
            if error is None and said.startswith("route: "):
                error = "failed"
            if error is not None:
                return RouteChange(ok=False, error=error, error_text=said)
        done = done or _DONE.fullmatch(said) is not None
    return RouteChange(ok=True) if done else unparsed(text)
