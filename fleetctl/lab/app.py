"""A stand-in for an app on a node that cannot be logged into: the iPad of the shipped fleet.

It is a rank of examples/pipeline, run on that machine of the lab; on the loopback, on this one.
"""

from __future__ import annotations

import io
import os
import select
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil

from fleetctl.errors import LabError
from fleetctl.lab import shipped
from fleetctl.lab.faults.commands import marked
from fleetctl.lab.lab import Lab
from fleetctl.lab.loopback import LoopbackLab
from fleetctl.lab.loopback.state import MARKER
from fleetctl.lab.loopback.state import folder as folder_of
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.topology import Fleet

VARIABLE = "FLEETCTL_LAB_APP"
"""The variable with the node's name, by which the app is found again."""
START_TIMEOUT_S = 20.0
END_TIMEOUT_S = 5.0
INSTALL_TIMEOUT_S = 20.0
_FOLDER = "pipeline-app"
_LONGEST_WORD = 4096


def played(fleet: Fleet, job: Job | None = None) -> Iterator[Instance]:
    """The instances that the stand-in plays, of ``job`` or of all jobs: those without a command in
    jobs that run examples/pipeline."""
    for each in fleet.jobs.values() if job is None else (job,):
        if any(shipped.PIPELINE_PROGRAM in (i.command or "") for i in each.instances):
            yield from (i for i in each.instances if i.command is None and i.listen is not None)


def start(lab: Lab | LoopbackLab, fleet: Fleet, node: str) -> str:
    """Start the app on ``node``, and wait until it listens; where it does.

    :param fleet: of the lab's nodes.yaml.
    :raises LabError: it runs already, or does not start; or nodes.yaml has nothing to play there.
    """
    where = _address(fleet, node)
    if list(_pids(lab, node)):
        raise LabError(f"the app on {node} runs already, at {where}")
    argv = ["python3", shipped.PIPELINE_PROGRAM, "rank", node]
    argv += ["--blocks", shipped.APP_BLOCKS, "--listen", where]
    if isinstance(lab, Lab):
        _install(lab, node)
        machine, folder = node, f"{lab.blueprint.machine(node).home}/{_FOLDER}"
    else:
        machine, folder = "controller", str(shipped.pipeline())
    # The shell ends at once, so that the app is no child of this process: as a zombie of it, it
    # would keep the lab's PID namespace alive when that ends.
    shell = lab.popen(
        machine,
        ["sh", "-c", '"$@" &', "sh", *argv],
        env={VARIABLE: node, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert shell.stdout is not None
    with shell, shell.stdout as output:
        said = _first_line(output.fileno())
    if f" at {where}" not in said:
        stop(lab, node)
        raise LabError(f"the app on {node} does not start: {said or 'no word from it'}")
    return where


def stop(lab: Lab | LoopbackLab, node: str) -> bool:
    """End the app on ``node``, as when it is closed; whether it ran.

    :raises LabError: it does not end, or there is no such node.
    """
    running = []
    for pid in _pids(lab, node):
        with suppress(psutil.NoSuchProcess):
            running.append(psutil.Process(pid))
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in running:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        _, left = psutil.wait_procs(running, timeout=END_TIMEOUT_S)
        if not left:
            return bool(running)
    raise LabError(f"the app on {node} does not end: process {left[0].pid}")


def _address(fleet: Fleet, node: str) -> str:
    """Where nodes.yaml says that the app listens."""
    for job in fleet.jobs.values():
        for instance in job.on(node):
            if instance.command is None and instance.listen is not None:
                return str(instance.listen)
    raise LabError(
        f"nodes.yaml has no app on {node!r}",
        hint="That is a service there with `listen` and without a command.",
    )


def _pids(lab: Lab | LoopbackLab, node: str) -> Iterator[int]:
    if isinstance(lab, Lab):
        now = lab.state
        process = now.processes.get(now.blueprint.machine(node).key)
        if process is not None and process.alive:
            yield from marked(process, VARIABLE)
        return
    folder = str(folder_of(lab.name))
    for found in psutil.process_iter():
        with suppress(psutil.Error, OSError):  # gone, or another user's
            if found.uids().real == os.getuid():
                environment = found.environ()
                if (environment.get(MARKER), environment.get(VARIABLE)) == (folder, node):
                    yield found.pid


def _install(lab: Lab, node: str) -> None:
    """Put the program on the node's disk, by a process of the node."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path in sorted(shipped.pipeline().iterdir()):
            if path.suffix in (".py", ".bin"):
                tar.add(path, path.name)
    script = f'mkdir -p "$HOME/{_FOLDER}" && exec tar -xof - -C "$HOME/{_FOLDER}"'
    done = lab.run(
        node, ["sh", "-c", script], input=archive.getvalue(), timeout_s=INSTALL_TIMEOUT_S
    )
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise LabError(f"the app cannot be put on {node}: {said}")


def _first_line(fd: int) -> str:
    """What the process says first; empty: nothing within :data:`START_TIMEOUT_S`."""
    said, deadline = b"", time.monotonic() + START_TIMEOUT_S
    while b"\n" not in said and len(said) < _LONGEST_WORD:
        if not select.select([fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
            break
        part = os.read(fd, _LONGEST_WORD)
        if not part:
            break
        said += part
    return said.decode(errors="replace").strip()
