"""Listening TCP sockets of ``netstat -an -p tcp`` (macOS) and ``netstat -ltn`` (net-tools).

macOS puts the port behind the last dot, ``10.10.0.1.65432``; net-tools behind the last colon.
The columns behind the state differ by version and are not read.
"""

from __future__ import annotations

import re

from msgspec import Struct

from fleetctl.model.facts import Listener
from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.number import whole
from fleetctl.probes.parsers.unparsed import Unparsed

_PROTOCOLS = frozenset({"tcp", "tcp4", "tcp6", "tcp46"})
_HEAD = re.compile(r"Active Internet connections|Proto +Recv-Q")


class Socket(Struct, frozen=True):
    """A listening socket."""

    protocol: str
    """``tcp46`` (macOS) listens to both families, as ``tcp6`` does on Linux."""
    address: str
    """``*`` for any on macOS; ``0.0.0.0`` or ``::`` on Linux."""
    port: int

    def listener(self) -> Listener:
        """``*`` of a socket for IPv4 alone is ``0.0.0.0``."""
        any_ipv4 = self.protocol == "tcp4" and self.address == "*"
        return Listener("0.0.0.0" if any_ipv4 else self.address, self.port, (), None)


def parse_netstat_listeners(text: str) -> tuple[Socket, ...] | Unparsed:
    """The sockets in state LISTEN; a table without one is ``()``."""
    found = tuple(socket for line in text.splitlines() if (socket := _socket(line.split())))
    return found if found or _HEAD.search(text) else unparsed(text)


def _socket(words: list[str]) -> Socket | None:
    if len(words) < 6 or words[0] not in _PROTOCOLS or words[5] != "LISTEN":
        return None
    for separator in (":", "."):
        address, found, port_text = words[3].rpartition(separator)
        port = whole(port_text)
        if found and address and port is not None and port < 65536:
            return Socket(words[0], address.partition("%")[0], port)
    return None
