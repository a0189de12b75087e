"""Starts what a machine's disk says at its boot: launch daemons, and an account's systemd units."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from fleetctl.lab import boot_units, diskfile
from fleetctl.lab.blueprint import Machine
from fleetctl.lab.launch_daemons import Daemon, daemons
from fleetctl.lab.namespaces import Process, popen
from fleetctl.lab.personality import LINUX, MACOS, is_mac
from fleetctl.lab.programs.macos import launchctl

DAEMON_TIMEOUT_S = 5.0


def start(booting: Sequence[tuple[Process, Machine]]) -> None:
    """Start what launchd, or an account's systemd, starts at boot, on all machines at once; waits a
    few seconds for the end of what is root's."""
    running = []
    for process, machine in booting:
        if is_mac(machine):
            lines = []
            for daemon in daemons(process.root):
                lines.append(f"{daemon.label}\t{daemon.file}\t0\n")
                running.append(_start_daemon(process, machine, daemon))
            diskfile.write(process.root, launchctl.LOADED, "".join(lines))
        elif machine.role == "ssh":
            diskfile.write(process.root, f"{boot_units.RUNNING}/lab", "")
            env = {"HOME": machine.home, "USER": machine.user, "PATH": LINUX.path}
            running += (
                _start_in_background(process, machine.uid, argv, env)
                for argv in boot_units.commands(machine, process.root)
            )
    deadline = time.monotonic() + DAEMON_TIMEOUT_S
    for started in running:
        with suppress(subprocess.TimeoutExpired):  # a daemon goes on
            started.wait(max(0.0, deadline - time.monotonic()))
        started.returncode = started.returncode or 0  # no warning that it outlives us


def _start_daemon(process: Process, machine: Machine, daemon: Daemon) -> subprocess.Popen[bytes]:
    env = {"PATH": MACOS.root_path, **daemon.env}
    if daemon.user == machine.user:
        return _start_in_background(process, machine.uid, daemon.argv, env)
    return _run(process, 0, daemon.argv, env)


def _start_in_background(
    process: Process, uid: int, argv: Sequence[str], env: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start what goes on as a child of the machine's process 1, which reaps it."""
    return _run(process, uid, ["/bin/sh", "-c", '"$@" &', "sh", *argv], env)


def _run(
    process: Process, uid: int, argv: Sequence[str], env: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    return popen(
        process,
        argv,
        uid=uid,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=env,
    )
