"""Faults of what runs on a machine though the job does not want it there."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import yaml

from fleetctl.errors import LabError
from fleetctl.lab import building, controller
from fleetctl.lab.blueprint import CONTROLLER, Blueprint, Machine
from fleetctl.lab.faults.commands import marked, refusal
from fleetctl.lab.faults.kind import FaultKind, on_machine, with_ssh
from fleetctl.lab.personality import personality
from fleetctl.lab.state import State

STRANGER = "FLEETCTL_LAB_STRANGER"
"""The variable by which the process that has the port is found again."""
LEFTOVER = "lab-leftover"
"""The job and the service of the instance that nodes.yaml does not have."""
FLEETCTL_TIMEOUT_S = 60.0

_LISTEN = """\
import os, signal, socket, sys
address, port = sys.argv[1].split(":")
taken = socket.socket(socket.AF_INET6)
taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
try:
    taken.bind(("::ffff:" + address, int(port)))
    taken.listen()
except OSError as error:
    sys.exit(f"{sys.argv[1]} cannot be taken: {error.strerror}")
if os.fork() == 0:
    os.setsid()
    nothing = os.open("/dev/null", os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    signal.pause()
"""


def _take_port(now: State, machine: Machine, taken: bool) -> None:
    """Let a process of the account listen where an instance must, or end it.

    :raises LabError: the instance runs and has its port itself.
    """
    process = now.processes[machine.key]
    found = list(marked(process, STRANGER))
    if not taken:
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    elif not found:
        env = {"PATH": personality(machine.os).path, STRANGER: "1"}
        argv = ["python3", "-c", _LISTEN, machine.listens[0]]
        if refused := refusal(process, argv, uid=machine.uid, env=env):
            hint = "Stop the instance that has it: fleetctl stop"
            raise LabError(f"{machine.key}: {refused}", hint=hint)


def _leave_over(now: State, machine: Machine, left: bool) -> None:
    """Start or stop an instance from the controller, by a nodes.yaml that has it."""
    home = building.home_of(now.name)
    file = home / f"{LEFTOVER}.yaml"
    file.write_text(_with_leftover(Path(now.config).read_text("utf-8"), machine.key), "utf-8")
    argv = ["fleetctl", "-f", str(file), "--job", LEFTOVER]
    argv += ["start" if left else "stop", f"{LEFTOVER}@{machine.key}"]
    env = controller.environment(home, {})
    started = now.processes[CONTROLLER]
    if refused := refusal(started, argv, confined=False, env=env, timeout_s=FLEETCTL_TIMEOUT_S):
        raise LabError(f"{' '.join(argv)}: {refused}")


def _with_leftover(nodes_yaml: str, node: str) -> str:
    """The same fleet with another job."""
    tree = yaml.compose(nodes_yaml, Loader=yaml.SafeLoader)
    assert isinstance(tree, yaml.MappingNode)  # the lab was built from it
    tree.value = [(key, value) for key, value in tree.value if key.value != "jobs"]
    tree.flow_style = False
    fleet = yaml.serialize(tree, Dumper=yaml.SafeDumper)
    job = {"services": {LEFTOVER: {"on": node, "command": "exec sleep 1000000"}}}
    return f"{fleet}{yaml.safe_dump({'jobs': {LEFTOVER: job}})}"


def _has_port(_plan: Blueprint, machine: Machine) -> list[str | None]:
    return [None] if machine.role == "ssh" and machine.listens else []


KINDS = (
    FaultKind(
        name="mapped-listener",
        sentence="A stranger listens where an instance must, on an IPv4 address over IPv6.",
        places=_has_port,
        lacks="no instance of a job must listen on it, or it has no SSH server",
        lives="memory",
        apply=on_machine(_take_port),
    ),
    FaultKind(
        name="orphan",
        sentence="An instance runs that nodes.yaml does not have.",
        places=with_ssh,
        lacks="it has no SSH server",
        lives="memory",
        apply=on_machine(_leave_over),
        by_login=True,
    ),
)
