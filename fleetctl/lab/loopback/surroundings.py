"""Environments and home folders of commands in a loopback lab."""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from fleetctl.errors import LabError
from fleetctl.lab.controller import FOREIGN
from fleetctl.lab.copies import Copies
from fleetctl.lab.loopback.state import MARKER
from fleetctl.model.topology import Fleet


def check_machine() -> None:
    """Check that a loopback lab can be built here.

    :raises LabError: something is not installed.
    """
    missing = [name for name in ("tmux", "sh") if shutil.which(name, path=_path()) is None]
    if missing:
        raise LabError(
            f"the lab needs {', '.join(missing)}, not found in PATH",
            hint="Install tmux: brew install tmux (macOS), sudo apt install tmux (Debian).",
        )


def user() -> str:
    """The name of this account."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # no passwd entry, as in containers
        return f"uid{os.getuid()}"


def node_environment(folder: Path, home: Path, tmux_folder: Path) -> dict[str, str]:
    """The environment of a login on a node: this user's PATH, the node's own home and tmux.

    :param folder: the lab's.
    """
    kept = {name: os.environ[name] for name in ("USER", "LOGNAME", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "PATH": f"{_path()}:{Path(sys.executable).parent}",  # for python3, if PATH has none
        "HOME": str(home),
        "SHELL": "/bin/sh",
        "TMUX_TMPDIR": str(tmux_folder),
        MARKER: str(folder),
    }


def controller_environment(folder: Path, home: Path) -> dict[str, str]:
    """This process's environment with the controller's home; `fleetctl` in its PATH is this one.

    :param folder: the lab's.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {
        **kept,
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}:{_path()}",
        "TMUX_TMPDIR": str(controller_tmux(folder)),
        MARKER: str(folder),
    }


def controller_tmux(folder: Path) -> Path:
    """The folder for the sockets of the controller's tmux servers."""
    return folder / "t" / "c"


def fill_homes(
    fleet: Fleet,
    homes: Mapping[str, Path],
    controller_home: Path,
    copies: Copies,
) -> None:
    """Make the folders that jobs run in, and copy ``copies`` into every home.

    :param homes: of the nodes with an SSH server.
    :param copies: files or folders, each with its destination relative to the home folder.
    """
    local = {n.name: controller_home for n in fleet.nodes.values() if n.connection == "local"}
    everywhere = {**homes, **local}
    for job in fleet.jobs.values():
        for instance in job.instances:
            folder = PurePosixPath(instance.workdir or "~")
            if instance.command is not None and folder.parts[0] == "~" and ".." not in folder.parts:
                place = everywhere[instance.node].joinpath(*folder.parts[1:])
                place.mkdir(parents=True, exist_ok=True)
    for source, target in copies:
        for home in everywhere.values():
            _copy(source, home / target)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        unwanted = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, ignore=unwanted)
    else:
        shutil.copy2(source, target)


def _path() -> str:
    return os.environ.get("PATH", os.defpath)
