"""Ending all processes of a loopback lab, each by its own id.

These are the tmux servers with sockets in the lab's folder and the keeper, with all their
descendants, and the other processes of this user with the lab's variable in their environment
(macOS hides the environment of its own programs such as /bin/sh; those are descendants).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil

from fleetctl.errors import LabError
from fleetctl.lab.loopback.state import MARKER

END_TIMEOUT_S = 10.0
TMUX_TIMEOUT_S = 5.0


def end_all(folder: Path, keeper: psutil.Process | None) -> None:
    """Kill all processes of the lab in ``folder``, and remove the folder.

    :param keeper: the process with the lab's servers; None: there is none, or it is this one.
    :raises LabError: something does not end.
    """
    spared = _ourselves()
    deadline = time.monotonic() + END_TIMEOUT_S
    sockets = [*folder.glob("t/*/tmux-*/*")]
    while found := _members(folder, sockets, keeper, spared):
        if time.monotonic() > deadline:
            pids = ", ".join(str(process.pid) for process in found)
            raise LabError(f"processes of the lab do not end: {pids}")
        for process in found:  # parents first, so that they restart nothing
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(found, timeout=0.5)
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # not empty, or already gone
        folder.parent.rmdir()


def _ourselves() -> set[int]:
    me = psutil.Process()
    return {me.pid, *(parent.pid for parent in me.parents())}


def _members(
    folder: Path, sockets: list[Path], keeper: psutil.Process | None, spared: set[int]
) -> list[psutil.Process]:
    found: dict[int, psutil.Process] = {}
    roots = [keeper] if keeper else []
    roots += [server for socket in sockets if (server := _tmux_server(socket))]
    for root in roots:
        with suppress(psutil.NoSuchProcess):
            for process in (root, *root.children(recursive=True)):
                found.setdefault(process.pid, process)
    for process in psutil.process_iter():
        if process.pid not in found and _is_marked(process, str(folder)):
            found[process.pid] = process
    return [p for p in found.values() if p.pid not in spared and _runs(p)]


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _is_marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.uids().real == os.getuid() and process.environ().get(MARKER) == mark
    except (psutil.Error, OSError):  # gone, or not readable
        return False


def _tmux_server(socket: Path) -> psutil.Process | None:
    argv = ["tmux", "-S", str(socket), "display-message", "-p", "#{pid}"]
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=TMUX_TIMEOUT_S, check=False
        )
        return psutil.Process(int(done.stdout))
    except (OSError, ValueError, subprocess.TimeoutExpired, psutil.NoSuchProcess):
        return None  # no server has this socket any more
