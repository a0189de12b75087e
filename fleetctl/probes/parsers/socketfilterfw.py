"""``socketfilterfw --getglobalstate --getstealthmode`` of macOS, in the wording of all versions."""

from __future__ import annotations

import re

from msgspec import Struct

from fleetctl.patterns import pattern
from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.unparsed import Unparsed

_STATE = pattern(r"Firewall is .*\(State = ([0-2])\)", re.IGNORECASE)
_STEALTH = pattern(r"stealth mode (?:is )?(?:set to )?(enabled|disabled|on|off)\b", re.IGNORECASE)
_BLOCK = pattern(r"block all (?:state )?(?:set to |is )?(enabled|disabled|on|off)\b", re.IGNORECASE)


class Firewall(Struct, frozen=True):
    """The application firewall; None: not asked or not in the output."""

    enabled: bool | None
    blocks_all: bool | None
    """Whether it blocks all incoming connections except essential ones."""
    stealth: bool | None
    """Whether it answers no ping."""


def parse_firewall(text: str) -> Firewall | Unparsed:
    """The state in ``text``."""
    state, stealth, block = _STATE.search(text), _STEALTH.search(text), _BLOCK.search(text)
    if state is None and stealth is None and block is None:
        return unparsed(text)
    blocks_all = None if block is None else _on(block[1])
    if state is not None and blocks_all is None:
        blocks_all = state[1] == "2"
    return Firewall(
        enabled=None if state is None else state[1] != "0",
        blocks_all=blocks_all,
        stealth=None if stealth is None else _on(stealth[1]),
    )


def _on(word: str) -> bool:
    return word.lower() in ("enabled", "on")
