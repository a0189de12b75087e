"""``ss -tnpH`` of iproute2: TCP sockets with the processes this user may see."""

from __future__ import annotations

from fleetctl.model.facts import Listener, TcpConnection
from fleetctl.patterns import pattern
from fleetctl.probes.parsers.address import ipv4, unmapped
from fleetctl.probes.parsers.number import whole

_PROCESS = pattern(r'\("(?P<name>.*?)",pid=(?P<pid>[0-9]{1,18}),fd=[0-9]+\)')
# Not greedy, and up to the pid: a process may have quotes in its name.


def parse_ss(text: str) -> tuple[Listener, ...]:
    """The listeners in ``text``; other lines are skipped."""
    found = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 5 or fields[0] != "LISTEN":
            continue
        address, port = _end(fields[3])
        if port is None:
            continue
        processes = list(_PROCESS.finditer(line))
        found.append(
            Listener(
                address=address,
                port=port,
                pids=tuple(sorted({int(p["pid"]) for p in processes})),
                process=processes[0]["name"] if processes else None,
            )
        )
    return tuple(found)


def parse_ss_connections(text: str) -> tuple[TcpConnection, ...]:
    """The established IPv4 connections in ``text``."""
    found = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 5 or fields[0] != "ESTAB":
            continue
        (own, own_port), (peer, port) = _end(fields[3]), _end(fields[4])
        local, remote = ipv4(own), ipv4(peer)
        if local is None or remote is None or port is None:
            continue
        pids = tuple(sorted({int(p["pid"]) for p in _PROCESS.finditer(line)}))
        found.append(TcpConnection(local, remote, port, pids, own_port or 0))
    return tuple(found)


def _end(text: str) -> tuple[str, int | None]:
    """Address and port of one end: IPv6 is in brackets, ``%interface`` may follow inside or after
    them."""
    address, _, port = text.rpartition(":")
    return unmapped(address.partition("%")[0].strip("[]")), whole(port)
