"""The state file of a running lab, by which later commands find it: one JSON file per lab."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from fleetctl.errors import LabError
from fleetctl.lab.blueprint import Blueprint
from fleetctl.lab.mounts import Mount
from fleetctl.lab.namespaces import Process
from fleetctl.local_files import locked_folder

_T = TypeVar("_T")

RUN = Path("/run/fleetctl-lab")


class Fault(Struct, frozen=True, order=True):
    """Something that was broken on purpose."""

    kind: str
    node: str
    network: str | None = None
    """Which of the node's networks, if the fault is about one."""


class State(Struct, frozen=True):
    """The content of a lab's state file."""

    name: str
    boot_id: str
    """Of the kernel: process ids are valid for one boot only."""
    keeper: Process
    blueprint: Blueprint
    config: str
    """The copy of nodes.yaml in the controller's home."""
    processes: Mapping[str, Process] = {}
    """Process 1 of each machine that is on."""
    faults: tuple[Fault, ...] = ()
    mounts: tuple[Mount, ...] = ()
    ready: bool = False
    """Whether everything was built."""


class _Kept(Struct, frozen=True):
    """The fields needed to end a lab, which :class:`State` has in every version of fleetctl."""

    boot_id: str
    keeper: Process


def check_name(name: str) -> str:
    """``name`` itself.

    :raises LabError: a lab cannot have this name.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}", name):
        raise LabError(
            f"a lab cannot be called {name!r}",
            hint="Use letters, digits, '_', '-' and '.', at most 40: --name NAME.",
        )
    return name


def folder(name: str) -> Path:
    """The folder of the lab ``name``, with its state file and the controller's home."""
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

    :raises LabError: this is not root.
    """
    return [name for name in left_behind() if living_keeper(name)]


def living_keeper(name: str) -> Process | None:
    """The keeper of the lab ``name``; ``None`` when the lab does not run.

    Also of a lab that another version of fleetctl built.

    :raises LabError: this is not root.
    """
    kept = _decode(name, _Kept)
    alive = kept is not None and kept.boot_id == boot_id() and kept.keeper.alive
    return kept.keeper if kept is not None and alive else None


def read(name: str) -> State:
    """The state of the lab ``name``.

    :raises LabError: it does not run, or is not complete.
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
    """Replace the state file atomically."""
    file = folder(state.name) / "state.json"
    fd, draft = tempfile.mkstemp(dir=file.parent, prefix="state-")
    with os.fdopen(fd, "wb") as out:
        out.write(msgspec.json.encode(state))
    Path(draft).rename(file)


@contextmanager
def locked(name: str, *, wait_s: float = 30.0) -> Iterator[None]:
    """While inside, no other command changes the lab ``name``.

    :raises LabError: another one still does after ``wait_s``, or there is no such lab.
    """
    with ExitStack() as alone:
        try:
            alone.enter_context(locked_folder(folder(name), wait_s=wait_s))
        except FileNotFoundError:
            raise LabError(f"no lab {name!r} runs", hint="Start it: fleetctl lab up") from None
        except TimeoutError:
            raise LabError(
                f"another command is changing the lab {name!r}", hint="Wait until it is done."
            ) from None
        yield


def clear(name: str) -> None:
    """Empty the lab's folder, which an earlier lab of that name may have left."""
    for path in folder(name).iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def forget(name: str) -> None:
    """Remove the folder of the lab ``name``."""
    shutil.rmtree(folder(name), ignore_errors=True)
    with suppress(OSError):  # not empty, or already gone
        RUN.rmdir()
