"""What ``~/.ssh/config`` says for a host, beyond what asyncssh reads of it.

asyncssh splits lines as a shell does, knows no comment behind a value, and passes over directives
that it does not know. Here lines are split as OpenSSH does (argv_split in its misc.c), and
directives are read that a message has to name.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncssh.config

_COMMANDS = ("proxycommand", "remotecommand", "localcommand", "knownhostscommand")
"""Their value is the rest of the line, for a shell."""


def words(line: str) -> list[str]:
    """The words of a line of ssh_config(5); ``#`` at the start of a word begins a comment.

    :raises ValueError: a quote is not closed.
    """
    if line.split(None, 1)[0].split("=")[0].lower() in _COMMANDS:
        return line.split()
    found: list[str] = []
    place = 0
    while place < len(line):
        if line[place] in " \t":
            place += 1
        elif line[place] == "#":
            break
        else:
            word, place = _word(line, place)
            found.append(word)
    return found


def _word(line: str, place: int) -> tuple[str, int]:
    """The word that begins at ``place``, and where it ends."""
    word, quote = "", ""
    while place < len(line):
        char = line[place]
        following = line[place + 1 : place + 2]
        if char == "\\" and following and following in ("'\"\\" if quote else "'\"\\ "):
            word += following
            place += 1
        elif quote:
            word, quote = (word, "") if char == quote else (word + char, quote)
        elif char in " \t":
            break
        elif char in "'\"":
            quote = char
        else:
            word += char
        place += 1
    if quote:
        raise ValueError("No closing quotation")
    return word, place


def _keep(config: Any, option: str, args: list[str]) -> None:
    config._options.setdefault(option, " ".join(args))  # as asyncssh's own do
    args.clear()


def _teach() -> None:
    module: Any = asyncssh.config
    module.shlex = SimpleNamespace(split=words)
    handlers = module.SSHClientConfig._handlers
    for option in (
        "BindInterface",
        "KnownHostsCommand",
        "ProxyUseFdpass",
        "RevokedHostKeys",
        "SecurityKeyProvider",
        "StrictHostKeyChecking",
    ):
        handlers.setdefault(option.lower(), (option, _keep))


_teach()

_NOT_HONOURED = (
    "BindAddress",
    "BindInterface",
    "KnownHostsCommand",
    "PKCS11Provider",
    "ProxyUseFdpass",
    "RevokedHostKeys",
    "SecurityKeyProvider",
)


def ignored(config: Any) -> tuple[str, ...]:
    """The directives for a host that matter and that fleetctl does not honour, as written."""
    found = [
        f"{name} {value}"
        for name in _NOT_HONOURED
        if (value := config.get(name)) and str(value).lower() not in ("none", "no")
    ]
    return (*found, *without_keys(config))


def without_keys(config: Any) -> tuple[str, ...]:
    """The directives that exclude logging in by key, which is the only way here."""
    preferred = config.get("PreferredAuthentications")
    found = []
    if preferred and "publickey" not in preferred.split(","):
        found.append(f"PreferredAuthentications {preferred}")
    if config.get("PubkeyAuthentication") is False:
        found.append("PubkeyAuthentication no")
    return tuple(found)


def agent_socket(config: Any) -> str | None:
    """The socket of the SSH agent: ``IdentityAgent``, else ``SSH_AUTH_SOCK``; ``None``: no agent.

    As ssh_config(5) has it: ``none``, ``SSH_AUTH_SOCK``, or ``$NAME`` for a variable, or a path.
    """
    default = os.environ.get("SSH_AUTH_SOCK")
    chosen = config.get("IdentityAgent", default)
    if chosen == "SSH_AUTH_SOCK":
        chosen = default
    elif chosen and chosen.startswith("$") and not chosen.startswith("${"):
        chosen = os.environ.get(chosen[1:])
    return str(Path(chosen).expanduser()) if chosen else None
