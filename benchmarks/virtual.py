"""A lab for the duration of a measurement."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from measure import cannot, say

from fleetctl import config
from fleetctl.errors import FleetctlError
from fleetctl.lab import Lab

CONTROLLER = "controller"
COMMAND_TIMEOUT_S = 120.0


@contextmanager
def virtual_fleet(nodes_yaml: Path, copies: Sequence[tuple[Path, str]]) -> Iterator[Lab]:
    """The fleet of ``nodes_yaml`` as a lab, which is taken down afterwards.

    :param copies: files or folders, each with its destination in every node's home.
    """
    try:
        name = f"bench-{os.getpid()}"
        lab = Lab.up(config.load(nodes_yaml), nodes_yaml, name=name, copies=copies)
    except FleetctlError as error:
        cannot(str(error))
    try:
        yield lab
    finally:
        lab.down()


def on_controller(lab: Lab, *argv: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command on the lab's controller; a failure ends the measurement."""
    done = lab.run(CONTROLLER, argv, timeout_s=COMMAND_TIMEOUT_S)
    if done.returncode != 0:
        say((done.stdout + done.stderr).decode(errors="replace")[-3000:])
        cannot(f"{' '.join(argv)} ended with exit code {done.returncode}")
    return done


def fleetctl(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "fleetctl", *arguments)
