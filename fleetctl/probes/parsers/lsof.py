"""``lsof -nP -iTCP -Fpctn`` of macOS: TCP sockets of this user's processes.

One field per line: p is a process, c its command, t IPv4 or IPv6, n a socket. IPv4 addresses of
IPv6 sockets are shown as IPv4. Of a socket on all addresses of IPv6 it does not tell whether that
takes IPv4, too.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from fleetctl.model.facts import Listener, TcpConnection
from fleetctl.probes.parsers.address import ipv4, unmapped
from fleetctl.probes.parsers.number import whole


def parse_lsof(text: str) -> tuple[Listener, ...]:
    """The listeners in ``text``, each with all processes that share it."""
    pids: dict[tuple[str, int], list[int]] = {}
    names: dict[tuple[str, int], str] = {}
    pid: int | None = None
    command = family = ""
    for line in text.splitlines():
        kind, value = line[:1], line[1:]
        if kind == "p":
            pid, command = whole(value), ""
        elif kind == "c":
            command = value
        elif kind in "ft":  # f: a file begins
            family = value if kind == "t" else ""
        elif kind == "n" and pid is not None and "->" not in value:
            address, _, port_text = value.rpartition(":")
            port = whole(port_text)
            if port is not None:
                every = "*" if family == "IPv6" else "0.0.0.0"
                key = (every if address == "*" else unmapped(address.strip("[]")), port)
                pids.setdefault(key, []).append(pid)
                names.setdefault(key, command)
    return tuple(
        Listener(address, port, tuple(sorted(set(owners))), names[address, port] or None)
        for (address, port), owners in pids.items()
    )


def parse_lsof_connections(text: str) -> tuple[TcpConnection, ...]:
    """The established IPv4 connections in ``text``: names of the form ``local->remote``."""
    found = []
    pid: int | None = None
    for line in text.splitlines():
        if line[:1] == "p":
            pid = whole(line[1:])
            continue
        local, arrow, remote = line[1:].partition("->")
        if line[:1] != "n" or not arrow or pid is None:
            continue
        (own, own_port), (peer, port) = _end(local), _end(remote)
        if own is not None and peer is not None and port is not None:
            found.append(TcpConnection(own, peer, port, (pid,), own_port or 0))
    return tuple(found)


def _end(text: str) -> tuple[IPv4Address | None, int | None]:
    """Address and port of one end."""
    address, _, port = text.rpartition(":")
    return ipv4(unmapped(address.strip("[]"))), whole(port)
