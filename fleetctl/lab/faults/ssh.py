"""Faults of the SSH server and its keys."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from fleetctl.lab import building, controller, diskfile, linux
from fleetctl.lab.blueprint import Machine
from fleetctl.lab.faults.commands import as_root
from fleetctl.lab.faults.kind import FaultKind, on_machine, with_ssh
from fleetctl.lab.namespaces import Process
from fleetctl.lab.state import State


def _hang(now: State, machine: Machine, hung: bool) -> None:
    """Send SIGSTOP or SIGCONT to the SSH server and the processes of its sessions."""
    number = signal.SIGSTOP if hung else signal.SIGCONT
    done: set[int] = set()
    # The listener may fork meanwhile: repeat until there is no new process.
    while new := [p for p in _sshd_processes(now.processes[machine.key]) if p not in done]:
        for pid in new:
            with suppress(ProcessLookupError):  # it ended meanwhile
                os.kill(pid, number)
            done.add(pid)


def _sshd_processes(process: Process) -> Iterator[int]:
    """The processes of the SSH server, the listener first."""
    namespace = Path(f"/proc/{process.pid}/ns/pid").readlink()
    for folder in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            # OpenSSH 9.8 split sshd into sshd, sshd-session and sshd-auth.
            is_sshd = (folder / "comm").read_text().startswith("sshd")
            if is_sshd and (folder / "ns/pid").readlink() == namespace:
                yield int(folder.name)


def _change_host_key(now: State, machine: Machine, changed: bool) -> None:
    """Give the SSH server another host key, or its own again, and restart it."""
    own = building.host_key(now.name, now.blueprint, machine.key)
    key = own.with_name(own.name + "-changed") if changed else own
    if not key.exists():
        controller.make_key(key, f"root@{machine.key}")
    process = now.processes[machine.key]
    linux.install_host_key(key, process.root)
    # Its sessions go on: they have processes of their own.
    # A killed process has its port for a moment longer.
    stop = """pid=$(cat /run/sshd.pid) && kill -KILL "$pid" && rm /run/sshd.pid
i=0; while kill -0 "$pid" 2>/dev/null && [ $i -lt 500 ]; do sleep 0.01; i=$((i + 1)); done"""
    start = "exec /usr/sbin/sshd -E /var/log/sshd.log"
    as_root(now, machine, ["sh", "-c", f"{stop}\n{start}"])
    building.await_ssh(now, machine.key)
    if any(f.kind == "sshd-hang" and f.node == machine.key for f in now.faults):
        _hang(now, machine, True)  # the restarted server must hang, too


def _revoke_key(now: State, machine: Machine, revoked: bool) -> None:
    """Empty the account's authorized_keys, or write them again."""
    root = now.processes[machine.key].root
    keys = building.authorized_keys(now.name, now.blueprint, machine.key)
    text = "" if revoked else keys.read_text()
    diskfile.write(root, f"{machine.home}/.ssh/authorized_keys", text, 0o600)


KINDS = (
    FaultKind(
        name="sshd-hang",
        sentence=(
            "The SSH server freezes: TCP connects but nothing answers, and open sessions stall."
        ),
        places=with_ssh,
        lacks="it has no SSH server",
        lives="memory",
        apply=on_machine(_hang),
    ),
    FaultKind(
        name="host-key-changed",
        sentence="The SSH server shows another host key, as after a reinstallation.",
        places=with_ssh,
        lacks="it has no SSH server",
        lives="disk",
        apply=on_machine(_change_host_key),
    ),
    FaultKind(
        name="key-revoked",
        sentence="The controller's key is no longer among those that may log in.",
        places=with_ssh,
        lacks="it has no SSH server",
        lives="disk",
        apply=on_machine(_revoke_key),
    ),
)
