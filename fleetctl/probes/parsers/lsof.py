"""``lsof -nP -iTCP -sTCP:LISTEN -Fpcn``: fields one a line, p pid, c command, n name."""

from __future__ import annotations

from fleetctl.model.facts import Listener
from fleetctl.probes.parsers.number import whole


def parse_lsof(text: str) -> tuple[Listener, ...]:
    """The listeners in ``text``, the processes that share a socket joined."""
    pids: dict[tuple[str, int], list[int]] = {}
    names: dict[tuple[str, int], str] = {}
    pid: int | None = None
    command = ""
    for line in text.splitlines():
        kind, value = line[:1], line[1:]
        if kind == "p":
            pid, command = whole(value), ""
        elif kind == "c":
            command = value
        elif kind == "n" and pid is not None:
            address, _, port_text = value.rpartition(":")
            port = whole(port_text)
            if port is not None:
                key = (address.strip("[]").replace("*", "0.0.0.0"), port)
                pids.setdefault(key, []).append(pid)
                names.setdefault(key, command)
    return tuple(
        Listener(address, port, tuple(sorted(set(who))), names[address, port] or None)
        for (address, port), who in pids.items()
    )
