"""Commands on a running machine, and its processes as they are seen from outside."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

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


def refusal(
    process: Process,
    argv: Sequence[str],
    *,
    uid: int = 0,
    confined: bool = True,
    env: Mapping[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> str:
    """Run a command in the namespaces of ``process``. Returns its error; empty: it succeeded.

    :param uid: the account.
    :param confined: as of :func:`~fleetctl.lab.namespaces.popen`.
    :param env: its whole environment; None: a PATH as root has.
    """
    running = popen(
        process,
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={"PATH": LINUX.root_path} if env is None else env,
        uid=uid,
        confined=confined,
    )
    try:
        _, err = running.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        running.kill()
        running.communicate()
        return f"{argv[0]} had not ended after {timeout_s:g} s"
    if running.returncode == 0:
        return ""
    return err.decode(errors="replace").strip() or f"{argv[0]}: status {running.returncode}"


def marked(machine: Process, variable: str) -> Iterator[int]:
    """Processes in the PID namespace of ``machine`` that have a variable in their environment.

    From outside, where a Mac's processes can be seen, too.
    """
    namespace = Path(f"/proc/{machine.pid}/ns/pid").readlink()
    mark = f"{variable}=".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            variables = (folder / "environ").read_bytes().split(b"\0")
            has = any(entry.startswith(mark) for entry in variables)
            if has and (folder / "ns/pid").readlink() == namespace:
                yield int(folder.name)
