"""How a machine's network interfaces are called."""

from __future__ import annotations

from collections import Counter

_STEM = {"wifi": "wlan", "thunderbolt": "thunderbolt"}
"""Linux names; every other kind of network is an Ethernet one."""


class InterfaceNames:
    """Hands out the names of one machine's interfaces, in the order of its networks.

    Linux names (``wlan0``, ``eth0``, ``thunderbolt0``) for every machine: this is the place
    where another system's names would be chosen.
    """

    def __init__(self) -> None:
        self._given: Counter[str] = Counter()

    def take(self, kind: str) -> str:
        """The next name for a network of ``kind``."""
        stem = _STEM.get(kind, "eth")
        number = self._given[stem]
        self._given[stem] += 1
        return f"{stem}{number}"
