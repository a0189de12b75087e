"""``ss -ltnpH`` of iproute2: listening TCP sockets with the processes this user may see."""

from __future__ import annotations

import re

from fleetctl.model.facts import Listener
from fleetctl.probes.parsers.number import whole

_PROCESS = re.compile(r'\("(?P<name>.*?)",pid=(?P<pid>[0-9]{1,18}),fd=[0-9]+\)')
# To the first whole match: a process may have quotes in its name.


def parse_ss(text: str) -> tuple[Listener, ...]:
    """The listeners in ``text``; lines of another shape are passed over."""
    found = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 5 or fields[0] != "LISTEN":
            continue
        address, _, port_text = fields[3].rpartition(":")
        port = whole(port_text)
        if port is None:
            continue
        processes = list(_PROCESS.finditer(line))
        found.append(
            Listener(
                # IPv6 stands in brackets, and an interface may follow: fe80::1%eth0
                address=address.strip("[]").partition("%")[0],
                port=port,
                pids=tuple(sorted({int(p["pid"]) for p in processes})),
                process=processes[0]["name"] if processes else None,
            )
        )
    return tuple(found)
