"""Commands as root on a running machine."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from fleetctl.errors import LabError
from fleetctl.lab.blueprint import Machine
from fleetctl.lab.namespaces import Process, popen
from fleetctl.lab.personality import LINUX
from fleetctl.lab.state import State

TIMEOUT_S = 20.0


def as_root(now: State, machine: Machine, argv: Sequence[str]) -> None:
    """Run a command as root on the machine.

    :raises LabError: it failed.
    """
    refused = refusal(now.processes[machine.key], argv)
    if refused:
        raise LabError(f"{machine.key}: {refused}")


def refusal(process: Process, argv: Sequence[str]) -> str:
    """Run a command in the namespaces of ``process``. Returns its error; empty: it succeeded."""
    running = popen(
        process,
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={"PATH": LINUX.root_path},
    )
    try:
        _, err = running.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        running.kill()
        running.communicate()
        return f"{argv[0]} had not ended after {TIMEOUT_S:g} s"
    if running.returncode == 0:
        return ""
    return err.decode(errors="replace").strip() or f"{argv[0]}: status {running.returncode}"
