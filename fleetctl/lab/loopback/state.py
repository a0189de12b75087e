"""What a loopback lab writes down, and where: a folder of this user's own below /tmp.

Short, because the path of a unix socket (tmux has one per node) takes 104 bytes on macOS
(sun_path in sys/un.h), and a temporary folder there alone takes half of them.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec
import psutil
from msgspec import Struct

from fleetctl.errors import LabError

ROOT = Path("/tmp", f"fleetctl-lab-{os.getuid()}")
MARKER = "FLEETCTL_LAB_FOLDER"
"""In the environment of everything that runs in a lab: the lab's folder."""
CONTROL = "control"
"""The keeper's socket in the lab's folder."""


class Process(Struct, frozen=True):
    """A process that is known again: a recycled process id has another start time."""

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> Process:
        return cls(pid, psutil.Process(pid).create_time())

    def find(self) -> psutil.Process | None:
        """The process, if it still runs; a zombie does not."""
        try:
            process = psutil.Process(self.pid)
            # Whoever asks the kernel twice may get another rounding of the same moment.
            same = abs(process.create_time() - self.created) < 0.1
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


class Spot(Struct, frozen=True):
    """One node: its SSH server's port and its places."""

    port: int
    home: str
    tmux_folder: str


class Task(Struct, frozen=True):
    """What the keeper is to do."""

    folder: str
    identity_file: str
    known_hosts: str
    environments: Mapping[str, Mapping[str, str]]
    """Of each node's commands."""
    lifeline: bool


class State(Struct, frozen=True):
    """One lab, as its file has it."""

    name: str
    fleet: str
    keeper: Process
    """What the lab lives and dies with: its builder at first, then the process with the servers."""
    nodes: Mapping[str, Spot] = {}
    local_nodes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    ready: bool = False


def folder(name: str) -> Path:
    """Where the lab ``name`` keeps everything it has.

    :raises LabError: it cannot be called so.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,29}", name):
        raise LabError(
            f"a lab on the loopback cannot be called {name!r}",
            hint="Use letters, digits, '_', '-' and '.', at most 30: --name NAME.",
        )
    return ROOT / name


def make_root() -> None:
    """Make the folder of all labs, or see that it is ours alone.

    :raises LabError: somebody else has made it.
    """
    ROOT.mkdir(mode=0o700, exist_ok=True)
    if not _is_ours():
        raise LabError(
            f"{ROOT} is not this user's own folder", hint="Remove it, or have it removed."
        )


def _is_ours() -> bool:
    try:
        about = ROOT.lstat()
    except FileNotFoundError:
        return False
    private = not stat.S_IMODE(about.st_mode) & 0o077
    return stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid() and private


def left_behind() -> list[str]:
    """Labs that have files: those that run, and those that ended without `down`."""
    if not _is_ours():
        return []
    return sorted(path.name for path in ROOT.iterdir() if path.is_dir())


def names() -> list[str]:
    """Labs that run."""
    return [name for name in left_behind() if living_keeper(name)]


def living_keeper(name: str) -> psutil.Process | None:
    found = _decode(name)
    return found.keeper.find() if found else None


def read(name: str) -> State:
    """The state of the lab ``name``, which must run and be complete.

    :raises LabError: it is not so.
    """
    found = _decode(name)
    if found is None or found.keeper.find() is None:
        raise LabError(f"no lab {name!r} runs", hint="Start one: fleetctl lab up --loopback")
    if not found.ready:
        raise LabError(
            f"the lab {name!r} is not complete: it is being built",
            hint=f"If nothing is building it: fleetctl lab down {name}",
        )
    return found


def _decode(name: str) -> State | None:
    file = folder(name) / "state.json"
    try:
        return msgspec.json.decode(file.read_bytes(), type=State)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise LabError(
            f"the lab's file {file} cannot be read: {error}",
            hint="It may come from another version of fleetctl: take the lab down with that one.",
        ) from None


def write(state: State) -> None:
    """Write the file anew, whole or not at all."""
    home = folder(state.name)
    fd, draft = tempfile.mkstemp(dir=home, prefix="state-")
    with os.fdopen(fd, "wb") as out:
        out.write(msgspec.json.encode(state))
    Path(draft).rename(home / "state.json")
