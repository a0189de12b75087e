"""The state file of a loopback lab, in a folder of this user below /tmp.

A short path, because that of a unix socket (tmux has one per node) has at most 104 bytes on macOS
(sun_path in sys/un.h), and a temporary folder there takes half of them.
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
"""The variable with the lab's folder, in the environment of every process of a lab."""
CONTROL = "control"
"""The keeper's socket in the lab's folder."""


class Process(Struct, frozen=True):
    """A process, identified by id and start time: process ids are recycled."""

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> Process:
        return cls(pid, psutil.Process(pid).create_time())

    def find(self) -> psutil.Process | None:
        """The process, if it still runs; a zombie does not."""
        try:
            process = psutil.Process(self.pid)
            # The kernel may round the same time differently each time.
            same = abs(process.create_time() - self.created) < 0.1
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


class Spot(Struct, frozen=True):
    """One node: the port of its SSH server and its folders."""

    port: int
    home: str
    tmux_folder: str


class Task(Struct, frozen=True):
    """What the keeper has to serve."""

    folder: str
    identity_file: str
    known_hosts: str
    environments: Mapping[str, Mapping[str, str]]
    """The environment of commands, by node."""
    lifeline: bool


class State(Struct, frozen=True):
    """The content of a lab's state file."""

    name: str
    fleet: str
    keeper: Process
    """The lab runs while this process does: the builder at first, then the keeper."""
    nodes: Mapping[str, Spot] = {}
    local_nodes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    ready: bool = False


def folder(name: str) -> Path:
    """The folder of the lab ``name``.

    :raises LabError: a lab cannot have this name.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,29}", name):
        raise LabError(
            f"a lab on the loopback cannot be called {name!r}",
            hint="Use letters, digits, '_', '-' and '.', at most 30: --name NAME.",
        )
    return ROOT / name


def make_root() -> None:
    """Make the folder of all labs, or check that it is private to this user.

    :raises LabError: it is not.
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
    """The state of the lab ``name``.

    :raises LabError: it does not run, or is not complete.
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
    """Replace the state file atomically."""
    home = folder(state.name)
    fd, draft = tempfile.mkstemp(dir=home, prefix="state-")
    with os.fdopen(fd, "wb") as out:
        out.write(msgspec.json.encode(state))
    Path(draft).rename(home / "state.json")
