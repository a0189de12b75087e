"""Error messages of shells, kernels and network tools, as short stable words.

Covers the C library's strerror texts (glibc, musl and Darwin), the shells' "not found" in several
languages, and messages of single tools.
"""

from __future__ import annotations

import re

from fleetctl.patterns import pattern
from fleetctl.probes.parsers.unparsed import Unparsed

_ABSENT = pattern(
    "|".join(
        (
            r"command not found|unknown command:|: applet not found",
            r": (?:\d+: )?\S+: (?:inaccessible or )?not found$",  # dash, BusyBox, mksh
            # Before "No such file", only a path of a program means a missing command.
            r"^-?(?:\S*/)?(?:ba|z|da|k|a|fi)?sh:(?: (?:line )?\d+:)? (?:\S*bin/)?[\w.+-]+: "
            r"no such file or directory$",
            r"^zsh:(?:\d+:)? no such file or directory: \S*bin/\S+$",
            r"^(?:\S*/)?(?:env|nohup|timeout|xargs): .*: no such file or directory$",
            # bash in German, French, Spanish, Italian, Portuguese, Dutch, Swedish, Polish, ...
            r"(?:befehl|kommando) nicht gefunden|commande (?:introuvable|inconnue)",
            r"orden no encontrada|comando (?:non trovato|não encontrado)|opdracht niet gevonden",
            r"kommandot hittades inte|nie znaleziono polecenia|команда не найдена",
            r"コマンドが見つかりません|未找到命令",
        )
    ),
    re.IGNORECASE,
)

_PHRASES: tuple[tuple[str, str], ...] = (
    # A phrase that contains another one comes before it.
    ("interval too short", "interval_too_short"),
    ("cannot flood", "interval_too_short"),
    ("minimal interval", "interval_too_short"),
    ("do you want to ping broadcast", "broadcast"),
    ("not in table", "not_in_table"),
    ("no such process", "not_in_table"),  # ESRCH, what routing sockets call it
    ("must be root", "not_root"),
    ("must be superuser", "not_root"),
    ("must run this tool as root", "not_root"),
    ("requires admin privileges", "not_root"),
    ("a password is required", "sudo_password"),
    ("a terminal is required", "sudo_password"),
    ("unknown host", "unknown_host"),
    ("name or service not known", "unknown_host"),
    ("temporary failure in name resolution", "unknown_host"),
    ("nodename nor servname", "unknown_host"),
    ("name does not resolve", "unknown_host"),
    ("no address associated with", "unknown_host"),
    ("hostname lookup failed", "unknown_host"),
    ("host name lookup failure", "unknown_host"),
    ("bad address", "bad_address"),
    ("prefix is expected rather than", "bad_address"),
    ("address is expected rather than", "bad_address"),
    ("network is unreachable", "network_unreachable"),
    ("network unreachable", "network_unreachable"),
    ("network is down", "network_down"),
    ("no route to host", "no_route_to_host"),
    ("host is unreachable", "no_route_to_host"),
    ("host is down", "host_down"),
    ("connection refused", "refused"),
    ("timed out", "timeout"),
    ("connection reset", "reset"),
    ("file exists", "exists"),
    ("message too long", "message_too_long"),
    ("can't assign requested address", "address_not_available"),
    ("cannot assign requested address", "address_not_available"),
    ("address not available", "address_not_available"),
    ("no buffer space available", "no_buffer_space"),
    ("operation not permitted", "not_permitted"),
    ("permission denied", "permission_denied"),
    ("interface does not exist", "no_such_interface"),
    ("no such device", "no_such_device"),
    ("cannot find device", "no_such_device"),
    ("is unknown, try", "unknown_option"),
    ("unrecognized option", "unknown_option"),
    ("illegal option", "unknown_option"),
    ("invalid option", "unknown_option"),
    ("invalid argument", "invalid_argument"),
    ("is not a recognized network service", "no_such_service"),
    ("no such file or directory", "no_such_file"),
)


def absent(text: str) -> bool:
    """Whether a line of ``text`` says that the host has no such command."""
    return any(_ABSENT.search(line.strip()) for line in text.splitlines())


def failure(text: str) -> str | None:
    """The word for the first failure in ``text``; None if there is none."""
    if absent(text):
        return "command_not_found"
    for line in text.splitlines():
        word = phrase(line)
        if word is not None:
            return word
    return None


def phrase(line: str) -> str | None:
    """The word for the failure in one line, except for missing commands."""
    lowered = line.lower()
    return next((word for known, word in _PHRASES if known in lowered), None)


def unparsed(text: str, otherwise: str = "unrecognised") -> Unparsed:
    """``text`` as unparsed, for the failure that it names, else for ``otherwise``."""
    return Unparsed(text, failure(text) or ("empty" if not text.strip() else otherwise))
