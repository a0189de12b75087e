"""What a running lab writes down, so that any later command finds it: one JSON file per lab."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from fleetctl.errors import LabError
from fleetctl.lab.blueprint import Blueprint
from fleetctl.lab.namespaces import Process

_T = TypeVar("_T")

RUN = Path("/run/fleetctl-lab")


class Fault(Struct, frozen=True, order=True):
    """Something that was broken on purpose."""

    kind: str
    node: str
    network: str | None = None
    """Which of the node's networks, for faults that are about one."""


class State(Struct, frozen=True):
    """One lab, as its file has it."""

    name: str
    boot_id: str
    """Of the kernel: process ids of an earlier boot mean nothing."""
    keeper: Process
    blueprint: Blueprint
    config: str
    """nodes.yaml's copy in the controller's home."""
    processes: Mapping[str, Process] = {}
    """Process 1 of each machine that is on."""
    faults: tuple[Fault, ...] = ()
    ready: bool = False
    """Everything was built."""


class _Kept(Struct, frozen=True):
    """The part of every version's :class:`State` that is needed to end a lab."""

    boot_id: str
    keeper: Process


def check_name(name: str) -> str:
    """``name`` itself, when a lab can be called so.

    :raises LabError: it cannot.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}", name):
        raise LabError(
            f"a lab cannot be called {name!r}",
            hint="Use letters, digits, '_', '-' and '.', at most 40: --name NAME.",
        )
    return name


def folder(name: str) -> Path:
    """Where the lab ``name`` keeps its file and the controller's home."""
    return RUN / check_name(name)


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def left_behind() -> list[str]:
    """Labs that have files: those that run, and those that ended without `down`."""
    if not RUN.is_dir():
        return []
    return sorted(path.name for path in RUN.iterdir() if path.is_dir())


def names() -> list[str]:
    """Labs that run.

    :raises LabError: we are not root.
    """
    return [name for name in left_behind() if living_keeper(name)]


def living_keeper(name: str) -> Process | None:
    """The process that the lab ``name`` lives and dies with; ``None`` when it does not run.

    Also of a lab that another version of fleetctl built.

    :raises LabError: we are not root.
    """
    kept = _decode(name, _Kept)
    alive = kept is not None and kept.boot_id == boot_id() and kept.keeper.alive
    return kept.keeper if kept is not None and alive else None


def read(name: str) -> State:
    """The state of lab ``name``, which must run and be complete.

    :raises LabError: it is not so.
    """
    found = _decode(name, State) if living_keeper(name) else None
    if found is None:
        others = names()
        hint = f"Running: {', '.join(others)}." if others else "Start one: fleetctl lab up"
        raise LabError(f"no lab {name!r} runs", hint=hint)
    if not found.ready:
        raise LabError(
            f"the lab {name!r} is not complete: it is being built, or its building was cut off",
            hint=f"If nothing is building it: fleetctl lab down {name}",
        )
    return found


def _decode(name: str, kind: type[_T]) -> _T | None:
    file = folder(name) / "state.json"
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except PermissionError:
        raise LabError(
            f"the lab {name!r} is root's", hint="Run the same command with sudo."
        ) from None
    except msgspec.DecodeError as error:
        raise LabError(
            f"the lab's file {file} cannot be read: {error}",
            hint=f"It may come from another version of fleetctl: fleetctl lab down {name}",
        ) from None


def write(state: State) -> None:
    """Write the file anew, whole or not at all."""
    file = folder(state.name) / "state.json"
    fd, draft = tempfile.mkstemp(dir=file.parent, prefix="state-")
    with os.fdopen(fd, "wb") as out:
        out.write(msgspec.json.encode(state))
    Path(draft).rename(file)


@contextmanager
def locked(name: str, *, wait_s: float = 30.0) -> Iterator[None]:
    """Only one command at a time changes the lab ``name``.

    :raises LabError: another one still does so after ``wait_s``, or there is no such lab.
    """
    try:
        fd = os.open(folder(name), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise LabError(f"no lab {name!r} runs", hint="Start it: fleetctl lab up") from None
    deadline = time.monotonic() + wait_s
    try:
        while not _lock(fd):
            if time.monotonic() > deadline:
                raise LabError(
                    f"another command is changing the lab {name!r}", hint="Wait until it is done."
                )
            time.sleep(0.02)
        yield
    finally:
        os.close(fd)


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def clear(name: str) -> None:
    """Empty the lab's folder of what an earlier lab of that name left."""
    for path in folder(name).iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def forget(name: str) -> None:
    """Remove everything the lab ``name`` left in the file system."""
    shutil.rmtree(folder(name), ignore_errors=True)
    with suppress(OSError):  # another lab is there, or nothing is
        RUN.rmdir()
