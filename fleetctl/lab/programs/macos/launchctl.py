"""launchctl(1) for system daemons: list, print, bootstrap, bootout, load, unload, kickstart.

The loaded daemons are listed in a file in /run, so that none is loaded after a reboot, until the
boot loads those in /Library/LaunchDaemons.
"""

from __future__ import annotations

import os
from typing import Any

from ..node import complain, read, say, write

FOLDER = "/Library/LaunchDaemons"
LOADED = "/run/launchd"
"""A line per daemon: label, file, last exit status."""
ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}


def main(argv: list[str], _name: str) -> int:
    verb, words = (argv[0], argv[1:]) if argv else ("help", [])
    loaded = _loaded()
    if verb == "list":
        return _list(loaded, words)
    if verb == "print":
        return _print(loaded, words)
    if verb not in ("bootstrap", "bootout", "load", "unload", "kickstart", "enable", "disable"):
        complain("Usage: launchctl <subcommand> ... | help [subcommand]")
        return 64
    words = [word for word in words if not word.startswith("-")]
    if os.geteuid() != 0:
        complain(f"{verb.capitalize()} failed: 1: Operation not permitted")
        return 1
    if verb in ("bootstrap", "load"):
        return _bootstrap(loaded, words[1:] if verb == "bootstrap" else words)
    if verb in ("bootout", "unload"):
        return _bootout(loaded, words)
    if verb == "kickstart" and words:
        label = words[0].rpartition("/")[2]
        if label not in loaded:
            complain(f'Could not find service "{label}" in domain for system')
            return 113
        return _start(loaded, label, loaded[label][0])
    return 0


def _loaded() -> dict[str, tuple[str, str]]:
    lines = [line.split("\t") for line in read(LOADED).splitlines()]
    return {line[0]: (line[1], line[2]) for line in lines if len(line) == 3}


def _keep(loaded: dict[str, tuple[str, str]]) -> None:
    write(LOADED, "".join(f"{label}\t{file}\t{s}\n" for label, (file, s) in loaded.items()))


def _list(loaded: dict[str, tuple[str, str]], words: list[str]) -> int:
    if words:
        if words[0] not in loaded:
            complain(f'Could not find service "{words[0]}" in domain for system')
            return 113
        say(f'{{\n\t"Label" = "{words[0]}";\n\t"LastExitStatus" = {loaded[words[0]][1]};\n}};')
        return 0
    say("PID\tStatus\tLabel")
    for label, (_, status) in loaded.items():
        say(f"-\t{status}\t{label}")
    return 0


def _print(loaded: dict[str, tuple[str, str]], words: list[str]) -> int:
    domain, _, label = (words[0] if words else "").partition("/")
    if domain != "system" or (label and label not in loaded):
        complain(
            f'Bad request.\nCould not find service "{label}" in domain for {domain or "nothing"}'
        )
        return 113
    if label:
        file, status = loaded[label]
        say(f"system/{label} = {{\n\tactive count = 0\n\tpath = {file}\n\tstate = not running\n")
        say(f"\tlast exit code = {status}\n}}")
        return 0
    say("system = {\n\ttype = system\n\tservices = {")
    for known in loaded:
        say(f"\t\t       0      -  \t{known}")
    say("\t}\n}")
    return 0


def plist(path: str) -> dict[str, Any]:
    """A daemon's file. :raises OSError, ValueError: it cannot be read."""
    import plistlib
    from xml.parsers.expat import ExpatError

    with open(path, "rb") as file:
        try:
            found = plistlib.load(file)
        except ExpatError as error:
            raise ValueError(error) from None
    if not isinstance(found, dict) or not isinstance(found.get("Label"), str):
        raise ValueError(path)  # noqa: TRY004 -- wrong content of a file, not a wrong argument
    return found


def _bootstrap(loaded: dict[str, tuple[str, str]], files: list[str]) -> int:
    status = 0
    for path in files:
        try:
            found = plist(path)
        except (OSError, ValueError):
            complain("Bootstrap failed: 5: Input/output error")
            return 5
        label = found["Label"]
        if label in loaded:
            complain("Bootstrap failed: 5: Input/output error")
            return 5
        loaded[label] = (path, "0")
        _keep(loaded)
        if found.get("RunAtLoad"):
            status = _start(loaded, label, path)
    return status


def _start(loaded: dict[str, tuple[str, str]], label: str, path: str) -> int:
    argv = [str(word) for word in plist(path).get("ProgramArguments", [])]
    if not argv or not os.access(argv[0], os.X_OK):
        loaded[label] = (path, "78")
    else:
        null = os.open("/dev/null", os.O_RDWR)
        actions = [(os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1, 2)]
        pid = os.posix_spawn(argv[0], argv, ENVIRONMENT, file_actions=actions)
        loaded[label] = (path, str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
    _keep(loaded)
    return 0


def _bootout(loaded: dict[str, tuple[str, str]], words: list[str]) -> int:
    for word in words:
        if word == "system":
            continue
        label = word.removeprefix("system/")
        if word.startswith("/"):
            label = next((known for known, (file, _) in loaded.items() if file == word), "")
        if label not in loaded:
            complain("Boot-out failed: 3: No such process")
            return 3
        del loaded[label]
    _keep(loaded)
    return 0
