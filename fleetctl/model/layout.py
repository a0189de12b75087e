"""Names of what fleetctl keeps on a node: one folder per instance, one tmux server, one session;
and at the controller."""

from __future__ import annotations

TMUX_SOCKET = "fleetctl"
"""``tmux -L fleetctl``: a server of our own, so that the user's sessions are never touched."""

STATE = "~/.local/state/fleetctl"

RUN_VARIABLE = "FLEETCTL_RUN"
"""In the environment of everything an instance starts: how its processes are recognised, also
those that left its process group."""

TMUX_OPTIONS = ("job", "instance", "run", "hash", "started")
"""Window options ``@fleetctl_NAME``: what a window is, readable by every controller."""


def instance_dir(fleet: str, job: str, instance: str) -> str:
    """The folder on the node, starting with ``~/``, that holds

    ``spec`` (what to run, with its environment and secrets; mode 0600, gone after stop),
    ``supervisor`` and ``logger`` (sh), ``state`` (written by the supervisor), ``ready`` (the run
    that met its ready condition) and ``log/`` (segments named by the offset of their first byte).
    """
    return f"{STATE}/{fleet}/{job}/{instance}"


def fixes_dir(fleet: str) -> str:
    """The folder on the node, starting with ``~/``, that holds one file for each command by which
    ``fix`` changed the node: what was run and how it is undone. Names sort by age."""
    return f"{STATE}/{fleet}/.fixes"


def start_log(fleet: str) -> str:
    """The file at the controller, starting with ``~/``, for what a start says that goes on after
    its dashboard was left; the newest such start only."""
    return f"{STATE}/{fleet}/.start.log"
