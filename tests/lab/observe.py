"""Observing a lab in tests."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

from fleetctl.lab import Lab
from fleetctl.lab.personality import is_mac, personality
from tests.waiting import eventually as eventually


def ssh(
    lab: Lab, target: str, command: str, *options: str, host_key: str = "yes"
) -> subprocess.CompletedProcess[bytes]:
    """Log in from the controller with the real client and the key of the test fleets."""
    keys = [str(path.with_suffix("")) for path in (lab.home / ".ssh").glob("*.pub")]
    argv = ["ssh", "-oBatchMode=yes", "-oConnectTimeout=2", f"-oStrictHostKeyChecking={host_key}"]
    argv += [part for key in keys for part in ("-i", key)]
    return lab.run("controller", [*argv, *options, target, command], timeout_s=20)


def answers(lab: Lab, node: str, address: str) -> bool:
    """Whether ``node`` gets an echo reply from ``address`` within a second."""
    return lab.run(node, echo(lab, node, address)).returncode == 0


def echo(lab: Lab, node: str, address: str) -> list[str]:
    """The command for one echo request with a wait of a second: -W is in milliseconds on a Mac."""
    wait = "-W1000" if is_mac(lab.blueprint.machine(node)) else "-W1"
    return ["ping", "-n", "-c1", wait, address]


def carrier(lab: Lab, node: str, interface: str) -> bool:
    """Whether the interface of a node has a carrier."""
    folder = personality("macos" if is_mac(lab.blueprint.machine(node)) else "linux").sys
    return lab.run(node, ["cat", f"{folder}/class/net/{interface}/carrier"]).stdout == b"1\n"


@contextmanager
def bounded(
    process: subprocess.Popen[bytes], timeout_s: float = 40.0
) -> Iterator[subprocess.Popen[bytes]]:
    """Work with a process that is killed afterwards, or when that takes too long."""
    watchdog = Timer(timeout_s, process.kill)
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        process.kill()
        with process:
            pass


def namespaces_of(lab: Lab) -> set[str]:
    """The namespaces of a lab's machines and its keeper, as /proc names them."""
    now = lab.state
    pids = [now.keeper.pid, *(process.pid for process in now.processes.values())]
    return {
        str(Path(f"/proc/{pid}/ns/{kind}").readlink())
        for pid in pids
        for kind in ("net", "mnt", "pid")
    }
