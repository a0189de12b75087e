"""What keeps a server running: a systemd user unit (systemd.service(5)), a launchd agent
(launchd.plist(5)). Only texts."""

from __future__ import annotations

import plistlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct

Manager = Literal["systemd", "launchd"]


class Unit(Struct, frozen=True):
    """A file, and the commands that make it count, or no more."""

    manager: Manager
    path: Path
    text: str
    begin: tuple[tuple[str, ...], ...]
    end: tuple[tuple[str, ...], ...]
    after_removal: tuple[tuple[str, ...], ...]
    note: str
    """What the user should know; empty: nothing."""


def systemd(fleet: str, argv: Sequence[str], home: Path, user: str) -> Unit:
    """For ``systemd --user``.

    What a browser's dashboard starts on this machine is in its control group, and outlives it.
    """
    name = f"fleetctl-serve-{fleet}.service"
    text = (
        "[Unit]\n"
        f"Description=fleetctl serve of {fleet}\n"
        "StartLimitIntervalSec=0\n"
        "\n"
        "[Service]\n"
        f"ExecStart={' '.join(map(_systemd_word, argv))}\n"
        "Restart=on-failure\n"
        "RestartSec=10\n"
        "KillMode=process\n"
        "\n"
        "[Install]\n"
        "WantedBy=default.target\n"
    )
    control = ("systemctl", "--user")
    begin = (("daemon-reload",), ("enable", name), ("restart", name))  # also one that runs
    return Unit(
        "systemd",
        home / ".config/systemd/user" / name,
        text,
        tuple((*control, *words) for words in begin),
        ((*control, "disable", "--now", name),),
        ((*control, "daemon-reload"),),
        "systemd ends it when you log out, and does not begin it at boot, unless once this was "
        f"run: loginctl enable-linger {user}",
    )


def launchd(fleet: str, argv: Sequence[str], home: Path, uid: int) -> Unit:
    """For launchd, as an agent of the user's login."""
    label = f"fleetctl.serve.{fleet}"
    path = home / "Library/LaunchAgents" / f"{label}.plist"
    log = str(home / "Library/Logs" / f"{label}.log")
    told = {
        "Label": label,
        "ProgramArguments": list(argv),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 10,
        "StandardOutPath": log,
        "StandardErrorPath": log,
    }
    domain = f"gui/{uid}"
    return Unit(
        "launchd",
        path,
        plistlib.dumps(told).decode(),
        (("launchctl", "bootstrap", domain, str(path)),),
        (("launchctl", "bootout", f"{domain}/{label}"),),
        (),
        f"launchd runs it while you are logged in. Its lines go to {log}",
    )


def _systemd_word(word: str) -> str:
    """Quoted for ExecStart, without its specifiers and variables."""
    safe = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{safe}"'
