"""``lsof -nP -iTCP -sTCP:LISTEN``: with ``-Fpcn`` fields one a line, p pid, c command, n name."""

from __future__ import annotations

import re

from msgspec import Struct

from fleetctl.model.facts import Connection, Listener
from fleetctl.probes.parsers.address import ipv4
from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.number import whole
from fleetctl.probes.parsers.unparsed import Unparsed

_HEAD = re.compile(r"^COMMAND +PID ", re.MULTILINE)
_ROW = re.compile(
    r"(?P<command>\S+)\s+(?P<pid>\d+)\s+(?P<user>\S+)\s+\S+\s+(?P<family>IPv[46])\s+\S+\s+\S+\s+"
    r"TCP\s+(?P<address>\S+):(?P<port>\d+)\s+\(LISTEN\)",
    re.ASCII,
)


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
        elif kind == "n" and pid is not None and "->" not in value:
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


def parse_lsof_connections(text: str) -> tuple[Connection, ...]:
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
        address, _, port_text = remote.rpartition(":")
        ends = ipv4(local.rpartition(":")[0]), ipv4(address)
        port = whole(port_text)
        if ends[0] is not None and ends[1] is not None and port is not None:
            found.append(Connection(ends[0], ends[1], port, (pid,)))
    return tuple(found)


class TableRow(Struct, frozen=True):
    """A line of the table that ``lsof -nP -iTCP -sTCP:LISTEN`` prints without ``-F``."""

    command: str
    """Cut to 9 characters unless ``+c0`` was given."""
    pid: int
    user: str
    family: str
    """``IPv4`` or ``IPv6``."""
    address: str
    """``*`` for any."""
    port: int


def parse_lsof_table(text: str) -> tuple[TableRow, ...] | Unparsed:
    """The rows in ``text``. Empty text is none, which is also what one sees of other users."""
    found = tuple(row for line in text.splitlines() if (row := _row(line)) is not None)
    if found or not text.strip() or _HEAD.search(text):
        return found
    return unparsed(text)


def _row(line: str) -> TableRow | None:
    match = _ROW.fullmatch(line.strip())
    pid = None if match is None else whole(match["pid"])
    port = None if match is None else whole(match["port"])
    if match is None or pid is None or port is None:
        return None
    return TableRow(
        command=match["command"].replace("\\x20", " "),
        pid=pid,
        user=match["user"],
        family=match["family"],
        address=match["address"].strip("[]"),
        port=port,
    )
