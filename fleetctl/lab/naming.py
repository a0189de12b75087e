"""Names of a machine's network interfaces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from functools import partial

from fleetctl.model.topology import OS

_STEM = {"wifi": "wlan", "thunderbolt": "thunderbolt"}
"""Linux names; every other kind of network is an Ethernet one."""
MAC_ETHERNET, MAC_WIFI = "en0", "en1"
"""Of a Mac mini; en2 to en4 are its Thunderbolt ports, which bridge0 joins."""
MAC_FIRST_DONGLE = 5


class InterfaceNames:
    """Gives names to one machine's interfaces, in the order of its networks.

    ``wlan0``, ``eth0``, ``thunderbolt0`` on Linux; ``en1``, ``en0``, ``bridge0`` on a Mac mini;
    its further interfaces are named as USB adapters: ``en5``, ``en6`` …

    :param taken: names that are given already.
    """

    def __init__(self, os: OS = "linux", taken: Collection[str] = ()) -> None:
        self._os = os
        self._taken = frozenset(taken)
        self._given: Counter[str] = Counter()

    def take(self, kind: str) -> str:
        """The next name for a network of ``kind``."""
        return next(name for name in iter(partial(self._name, kind), "") if name not in self._taken)

    def _name(self, kind: str) -> str:
        if self._os == "macos":
            return self._mac_name(kind)
        stem = _STEM.get(kind, "eth")
        return f"{stem}{self._next(stem)}"

    def _mac_name(self, kind: str) -> str:
        if kind == "thunderbolt":
            return f"bridge{self._next('bridge')}"
        built_in = MAC_WIFI if kind == "wifi" else MAC_ETHERNET
        if self._next(built_in) == 0:
            return built_in
        return f"en{MAC_FIRST_DONGLE + self._next('dongle')}"

    def _next(self, what: str) -> int:
        number = self._given[what]
        self._given[what] += 1
        return number
