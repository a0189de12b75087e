"""Hosts as a user names them, and as ``~/.ssh/config`` does (ssh_config(5))."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address

from fleetctl.discovery.answer import Host
from fleetctl.errors import UsageError
from fleetctl.model.topology import SSH

_HOST = re.compile(
    r"(?:(?P<user>[^\s\-@:/'\"`$;&|<>()\\][^\s@:/'\"`$;&|<>()\\]*)@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\]|[A-Za-z0-9_][A-Za-z0-9_.-]*|[0-9A-Fa-f:]+:[0-9A-Fa-f:.]*)"
    r"(?::(?P<port>\d{1,5}))?"
)
COMMAND_LINE = "given on the command line"
_WORD = re.compile(r'"([^"]*)"|(\S+)')


def parse_host(text: str, source: str = COMMAND_LINE) -> Host:
    """``[USER@]HOST[:PORT]``; an IPv6 address with a port stands in brackets.

    :raises UsageError: it is none.
    """
    match = _HOST.fullmatch(text)
    port = int(match["port"]) if match and match["port"] else None
    if match is None or not text.isprintable() or port == 0 or (port or 0) > 65535:
        raise UsageError(f"{text!r} is no host", hint="Write [USER@]HOST[:PORT].")
    host = match["host"].strip("[]")
    return Host(SSH(host, port=port, user=match["user"]), source, name=own_name(host))


def own_name(host: str) -> str | None:
    """``host`` as a name for a node; None: it is an address."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return host
    return None


def unique(hosts: list[Host]) -> list[Host]:
    """The hosts, each once, by how they are reached."""
    return list({(h.ssh.host, h.ssh.port, h.ssh.user): h for h in reversed(hosts)}.values())[::-1]


def ssh_config_hosts(text: str, source: str) -> list[Host]:
    """The names behind ``Host`` that are no patterns: ssh itself knows how to reach them."""
    return [
        Host(SSH(name), source, name=name)
        for key, arguments in _directives(text)
        if key == "host"
        for name in arguments
        if not set(name) & set("*?!,") and _HOST.fullmatch(name)
    ]


def ssh_config_includes(text: str) -> list[str]:
    """The files of ``Include``, as written: with ``~``, patterns, or relative to ``~/.ssh``."""
    return [file for key, files in _directives(text) if key == "include" for file in files]


def _directives(text: str) -> Iterator[tuple[str, list[str]]]:
    for line in text.splitlines():
        found = re.match(r"\s*([A-Za-z]+)(?:\s*=\s*|\s+)(.*)", line)
        if found:
            words = [quoted or plain for quoted, plain in _WORD.findall(found[2])]
            comment = next((i for i, word in enumerate(words) if word.startswith("#")), None)
            yield found[1].lower(), words[:comment]
