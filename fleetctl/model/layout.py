"""Names of files and tmux objects: on a node, one folder per instance, one tmux server and one
session; and on the controller."""

from __future__ import annotations

TMUX_SOCKET = "fleetctl"
"""``tmux -L fleetctl``: a separate server, so that the user's sessions are never touched."""

STATE = "~/.local/state/fleetctl"

RUN_VARIABLE = "FLEETCTL_RUN"
"""Environment variable of all processes of an instance: the mark of its run (probes/members.sh)."""

TMUX_OPTIONS = ("job", "instance", "run", "hash", "started")
"""Window options ``@fleetctl_NAME``, from which every controller knows what a window is."""


def instance_dir(fleet: str, job: str, instance: str) -> str:
    """The instance's folder on the node, starting with ``~/``.

    It contains ``spec`` (what to run, with its environment and secrets; mode 0600, deleted by
    stop), ``account`` (the account's environment, until the supervisor has it), ``supervisor`` and
    ``logger`` (sh), ``state`` (written by the supervisor), ``ready`` (the run that met its ready
    condition), ``prober`` (sh) with its ``health`` and ``unwell``, and ``log/`` (segments named by
    the offset of their first byte), ``files/`` (what nodes.yaml wants beside it, while it runs),
    ``boot/`` (what the node starts it again with, while it is wanted to run: a program, and copies
    of ``spec`` and ``account``; mode 0600) and ``booted`` (why that has not begun yet).
    """
    return f"{STATE}/{fleet}/{job}/{instance}"


def files_dir(fleet: str, job: str, instance: str) -> str:
    """The folder on the node, starting with ``~/``, with the ``files`` of the instance."""
    return f"{instance_dir(fleet, job, instance)}/files"


def fixes_dir(fleet: str) -> str:
    """The folder on the node, starting with ``~/``, with one file for each command by which ``fix``
    changed the node: what was run and how it is undone. Names sort by age."""
    return f"{STATE}/{fleet}/.fixes"


def boot_unit(fleet: str) -> str:
    """The systemd user unit on a Linux node, starting with ``~/``, that starts instances of the
    fleet at boot."""
    return f"~/.config/systemd/user/fleetctl-{fleet}.service"


def boot_label(fleet: str) -> str:
    """The name of the LaunchDaemon on a Mac that does so."""
    return f"dev.fleetctl.boot.{fleet}"


def boot_daemon(fleet: str) -> str:
    """The file of that LaunchDaemon."""
    return f"/Library/LaunchDaemons/{boot_label(fleet)}.plist"


def sync_dir(fleet: str, job: str, node: str) -> str:
    """The folder on the node, starting with ``~/``, with what ``sync`` of ``job`` left there:
    ``folder`` (where), ``sent`` (of each file a digest of what it was on the controller), ``there``
    (of each file what the node said of it afterwards) and ``key`` (which stands for ``sent``);
    in ``shared`` the same of what nodes share."""
    return f"{STATE}/{fleet}/.sync/{job}@{node}"


def prepare_dir(fleet: str, job: str, node: str) -> str:
    """The folder on the node, starting with ``~/``, with what the ``prepare`` of ``job`` printed
    last (``output``, in the form of an instance's ``log``), and a digest of what it depended on
    when it last succeeded (``done``)."""
    return f"{STATE}/{fleet}/.prepare/{job}@{node}"


def started_nodes(fleet: str) -> str:
    """The file on the controller, starting with ``~/``, with the nodes on which it started
    something, and how they are reached."""
    return f"{STATE}/{fleet}/.nodes.json"


def start_log(fleet: str) -> str:
    """The file on the controller, starting with ``~/``, with the output of the newest start that
    goes on without a terminal (``start --detach``, and after the dashboard was left)."""
    return f"{STATE}/{fleet}/.start.log"


def bench_history(fleet: str) -> str:
    """The file on the controller, starting with ``~/``, with what ``bench`` measured."""
    return f"{STATE}/{fleet}/bench.jsonl"


def history_file(fleet: str) -> str:
    """The file on the controller, starting with ``~/``, with measured values and events."""
    return f"{STATE}/{fleet}/history.sqlite3"


def observer_lock(fleet: str) -> str:
    """The file on the controller, starting with ``~/``, that the process locks which keeps the
    history."""
    return f"{STATE}/{fleet}/.observer.lock"


def alerts_file(fleet: str) -> str:
    """The file on the controller, starting with ``~/``, with which alerts are raised and which
    messages wait to be sent."""
    return f"{STATE}/{fleet}/.alerts.json"


def serve_dir(fleet: str) -> str:
    """The folder on the controller, starting with ``~/``, with the ``socket`` and the ``lock`` of
    `fleetctl serve`; nobody else may enter it."""
    return f"{STATE}/{fleet}/.serve"


def serving_dir(fleet: str) -> str:
    """The folder on a node, starting with ``~/``, with a small file of each `fleetctl serve` that
    sends alerts of the fleet."""
    return f"{STATE}/{fleet}/.serving"


def actions_dir(fleet: str) -> str:
    """The folder on a node, starting with ``~/``, with what controllers did there: one line of JSON
    each in ``.actions``, the older half in ``.actions.1``."""
    return f"{STATE}/{fleet}"
