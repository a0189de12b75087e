"""What ``~/.ssh/config`` says for a host, where there is no ssh to be asked: by asyncssh's reader.

asyncssh splits lines as a shell does, knows no comment behind a value, and passes over directives
that it does not know. Here lines are split as OpenSSH does (argv_split in its misc.c), and
directives are read that a message has to name.
"""

from __future__ import annotations

import getpass
import os
import socket
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

FILE = Path("~/.ssh/config")

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


@cache
def _reader() -> Any:
    """asyncssh's module, taught what it lacks."""
    import asyncssh.config  # slow to import, and seldom needed

    module: Any = asyncssh.config
    module.shlex = SimpleNamespace(split=words)
    handlers = module.SSHClientConfig._handlers
    for option in (
        "BindInterface",
        "CheckHostIP",
        "HashKnownHosts",
        "KnownHostsCommand",
        "ProxyUseFdpass",
        "RevokedHostKeys",
        "SecurityKeyProvider",
        "StrictHostKeyChecking",
    ):
        handlers.setdefault(option.lower(), (option, _keep))
    return module


_SEVERAL = (
    "identityfile",
    "certificatefile",
    "userknownhostsfile",
    "globalknownhostsfile",
    "sendenv",
)


def values(host: str, user: str | None, port: int | None) -> dict[str, list[str]]:
    """What ``~/.ssh/config`` says for ``host``; see :data:`~.host_config.Values`.

    :raises ValueError: it cannot be read.
    """
    file = FILE.expanduser()
    files = [str(file)] if os.access(file, os.R_OK) else []
    config = _reader().SSHClientConfig.load(
        None, files, False, False, False, getpass.getuser(), user or (), host, port or ()
    )
    found: dict[str, list[str]] = {}
    for name, value in config._options.items():
        key = name.lower()
        if key in _SEVERAL:
            found[key] = [str(one) for one in value] or ["none"]
        elif isinstance(value, bool):
            found[key] = ["yes" if value else "no"]
        elif key == "addressfamily":
            found[key] = [{socket.AF_INET: "inet", socket.AF_INET6: "inet6"}.get(value, "any")]
        else:
            found[key] = [str(value)]
    for key, given in (("user", user), ("port", port)):
        if given is not None:
            found[key] = [str(given)]
    return found
