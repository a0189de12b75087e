"""Names, addresses and accounts replaced, the same by the same: the case stays the case. Pure.

Not replaced is what has no form by which it is known, such as a Wi-Fi's name or words of a command.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable

from fleetctl.model.topology import Fleet
from fleetctl.postmortem.addresses import Addresses

_MAC = re.compile(r"(?<![\w:])(?:[0-9a-fA-F]{1,2}:){5}[0-9a-fA-F]{1,2}(?![\w:])")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}(?![\w:])")
_UUID = re.compile(r"\b[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\b")
_HOME = re.compile(r"(?P<base>/(?:Users|home)/)(?P<name>[\w.-]+)")
_SERIAL = re.compile(
    r"(?P<key>serial(?:[ _-]?number)?\w*[^\w\n]{1,5})(?P<value>(?=\w*\d)[A-Z0-9]{6,20})\b",
    re.IGNORECASE,
)
_EVERYBODYS = frozenset(
    {"root", "admin", "nobody", "daemon", "Shared", "linuxbrew", "localhost", "local"}
)
SHORTEST = 2
"""A shorter name is part of too much."""


class Anonymous:
    """Replaces, and remembers what by what.

    :param fleet: its name, its nodes with their hosts and accounts, its jobs and its networks'
        addresses are known.
    :param hostnames: those that its machines have.
    :param users: accounts besides those in nodes.yaml.
    :param kept: words that mean something else as well, such as keys of nodes.yaml.
    """

    def __init__(
        self,
        fleet: Fleet,
        *,
        hostnames: Iterable[str] = (),
        users: Iterable[str] = (),
        kept: Collection[str] = (),
    ) -> None:
        self._addresses = Addresses(net.cidr for net in fleet.networks.values())
        self._kept = _EVERYBODYS.union(kept)
        self._names: dict[str, str] = {}
        self._others: dict[str, dict[str, str]] = {"mac": {}, "ipv6": {}, "uuid": {}, "serial": {}}
        self._words: re.Pattern[str] | None = None
        self._know(fleet, hostnames, users)

    def _know(self, fleet: Fleet, hostnames: Iterable[str], users: Iterable[str]) -> None:
        nodes = fleet.nodes.values()
        hosts = [node.ssh.host for node in nodes if node.ssh.host] + list(hostnames)
        self._add("fleet", [fleet.name])
        self._add("node", fleet.nodes)
        self._add("job", fleet.jobs)
        self._add("host", [host for host in hosts if not re.fullmatch(r"[0-9.:]+", host)])
        self._add("host", [host.partition(".")[0] for host in hosts if not host[:1].isdigit()])
        self._add("user", [*(node.ssh.user for node in nodes if node.ssh.user), *users])

    def _add(self, kind: str, words: Iterable[str]) -> None:
        """Replace ``words``, whichever are not known yet, by ``kind`` and a number."""
        for word in words:
            if len(word) >= SHORTEST and word not in self._kept and word not in self._names:
                taken = {*self._names.values(), *self._names}
                free = (f"{kind}{n}" for n in range(1, len(taken) + 2))
                self._names[word] = next(new for new in free if new not in taken)
        longest_first = sorted(self._names, key=lambda word: (-len(word), word))
        forms = "|".join(map(re.escape, longest_first))
        # as a whole, or between marks: worker@mini1, mini1-bridge, /dev/mini1
        self._words = re.compile(rf"(?<![A-Za-z0-9])(?:{forms})(?![A-Za-z0-9])") if forms else None

    def learn(self, text: str) -> None:
        """Take the networks in ``text`` for known, before anything of them is replaced."""
        self._addresses.learn(text)

    def name(self, name: str) -> str:
        """By what the name of a node is replaced."""
        return self._names.get(name, name)

    def text(self, text: str) -> str:
        """``text`` with everything replaced that is known, or has the form of an address."""
        self._add("user", (found["name"] for found in _HOME.finditer(text)))
        text = _UUID.sub(lambda m: self._other("uuid", m[0].lower(), _uuid), text)
        text = _MAC.sub(lambda m: self._mac(m[0]), text)
        text = _IPV6.sub(lambda m: self._ipv6(m[0]), text)
        text = self._addresses.text(text)
        text = _SERIAL.sub(lambda m: m["key"] + self._other("serial", m["value"], _serial), text)
        return self._words.sub(lambda m: self._names[m[0]], text) if self._words else text

    def _other(self, kind: str, old: str, make: Callable[[int], str]) -> str:
        known = self._others[kind]
        if old in known.values():
            return old  # replaced before
        return known.setdefault(old, make(len(known) + 1))

    def _mac(self, old: str) -> str:
        parts = [int(part, 16) for part in old.split(":")]
        if not any(parts) or parts[0] & 1:  # none, all, or several
            return old
        return self._other("mac", ":".join(f"{part:02x}" for part in parts), _mac)

    def _ipv6(self, old: str) -> str:
        """Where a group is long: else it is a time of the day, or ``::1``."""
        if not any(len(group) > 2 for group in old.split(":")) or old.lower().startswith("ff"):
            return old
        if old.lower().startswith("fe80"):
            return self._other("ipv6", old.lower(), lambda number: f"fe80::{number:x}")
        return self._other("ipv6", old.lower(), lambda number: f"2001:db8::{number:x}")


def _uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def _mac(number: int) -> str:
    return f"02:00:00:00:{number // 256 % 256:02x}:{number % 256:02x}"


def _serial(number: int) -> str:
    return f"SERIAL{number:04d}"
