"""``netstat -an -p tcp`` of macOS: the TCP sockets of all users, without their processes.

``tcp4`` and ``tcp6`` are sockets of one family, ``tcp46`` takes both; the port is behind the last
dot (network_cmds, netstat.tproj/inet.c).
"""

from __future__ import annotations

from fleetctl.probes.parsers.address import unmapped
from fleetctl.probes.parsers.number import whole

_ALL = {"tcp4": "0.0.0.0", "tcp6": "::", "tcp46": "*"}


def parse_netstat_listeners(text: str) -> tuple[tuple[str, int], ...]:
    """Address and port of each listener, with addresses as in :class:`Listener`."""
    found = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 6 or fields[0] not in _ALL or fields[5] != "LISTEN":
            continue
        address, _, port_text = fields[3].rpartition(".")
        port = whole(port_text)
        if port is not None:
            every = _ALL[fields[0]]
            found.append((every if address == "*" else unmapped(address.partition("%")[0]), port))
    return tuple(dict.fromkeys(found))
