"""Who acts: the user, this machine, and what was typed, without secrets."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Collection, Sequence

from fleetctl.hiding import HIDDEN, hidden
from fleetctl.model.events import Actor
from fleetctl.quoting import join, quote

LONGEST = 300
_WITH_VALUE = ("-f", "--file", "--job")


def this_actor(arguments: Sequence[str], commands: Collection[str]) -> Actor:
    """The one who runs this process.

    :param arguments: those of ``fleetctl``.
    :param commands: the names of its commands.
    """
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # an account without a name
        user = "unknown"
    return Actor(user, socket.gethostname(), typed(arguments, commands)[:LONGEST])


def typed(arguments: Sequence[str], commands: Collection[str]) -> str:
    """The command line, without what may be a secret.

    A text that is typed into windows is left out, and a command that is run on nodes if anything in
    it looks like a secret.
    """
    command, after = _command(arguments, commands)
    before = list(arguments[: len(arguments) - len(after)])
    if not command:
        return f"{_hidden(['fleetctl', *before])} (dashboard)"
    if command == "send":
        return f"{_hidden(['fleetctl', *before])} (with a text)"
    if command == "exec" and _hidden(after) != join(after):
        words = after[: after.index("--") + 1] if "--" in after else []
        return f"{_hidden(['fleetctl', *before, *words])} {HIDDEN}"
    return _hidden(["fleetctl", *arguments])


def _command(arguments: Sequence[str], commands: Collection[str]) -> tuple[str, Sequence[str]]:
    """The command's name, and what comes after it."""
    skip = False
    for number, word in enumerate(arguments):
        if not skip and word in commands:
            return word, arguments[number + 1 :]
        skip = word in _WITH_VALUE
    return "", ()


def _hidden(words: Sequence[str]) -> str:
    kept = []
    for word in words:
        if hidden(word) == word:
            kept.append(word)
        else:  # a quoted value may go on after a blank
            name, equals, _ = word.partition("=")
            kept.append(f"{name}={HIDDEN}" if equals and hidden(name) == name else HIDDEN)
    return hidden(" ".join(word if HIDDEN in word else quote(word) for word in kept))
