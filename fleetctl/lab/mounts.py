"""Big folders of this machine that every node of a lab gets to read, such as a venv.

A venv is little without the Python that it was made of: ``home`` in its ``pyvenv.cfg`` is the
folder of that (https://docs.python.org/3/library/venv.html). uv and pyenv keep it in a home folder,
which nodes do not have; so it comes along, at its own path.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from msgspec import Struct

from fleetctl.errors import LabError
from fleetctl.lab.blueprint import Blueprint, Machine
from fleetctl.lab.linux import make_folder

Wanted = Sequence[tuple[Path, str | None]]
"""Folders, each with its place on the nodes as the user wrote it; None: its path here."""

SYSTEM = frozenset(
    {"bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "run", "sbin", "sys"}
    | {"usr", "var", ".lab", "System", "Library", "Applications", "private", "Volumes"}
)
"""Folders of a node's own system, on Linux or a Mac: nothing is mounted at or below them."""


class Mount(Struct, frozen=True):
    """A folder of this machine on every node, read-only."""

    source: str
    """Absolute, without symbolic links."""
    place: str
    """On the nodes: absolute, or ``~/…`` below the account's home."""

    def path_on(self, machine: Machine) -> str:
        """Where it is on ``machine``."""
        return machine.home + self.place[1:] if self.place.startswith("~/") else self.place


class Mounts(Struct, frozen=True):
    """All mounts of a lab, and what a user should know of them."""

    mounts: tuple[Mount, ...] = ()
    notes: tuple[str, ...] = ()
    pythons: tuple[Path, ...] = ()
    """Programs of the system that venvs among them run."""


def checked(wanted: Wanted, blueprint: Blueprint) -> Mounts:
    """``wanted``, with the Pythons that its venvs are made of.

    :raises LabError: a folder does not exist, or its place would hide what a node has of its own.
    """
    mounts: dict[str, Mount] = {}
    notes: list[str] = []
    pythons: list[Path] = []
    for written, destination in wanted:
        here = Path(os.path.normpath(written.absolute()))
        if not here.is_dir():
            raise LabError(
                f"cannot mount {written} on the nodes: there is no such folder",
                hint="A file is brought by --copy.",
            )
        mount = Mount(str(here.resolve()), _place(destination or str(here), blueprint))
        mounts[mount.place] = mount
        at = "" if mount.place == str(here) else f", at {mount.place}"
        notes.append(f"mounting {here} on every node, read-only{at}")
        if str(here) not in mounts and (here / "pyvenv.cfg").is_file():
            notes.append(
                f"the programs in its bin look for their Python in {here}, which nodes do not "
                f"have: use {mount.place}/bin/python -m"
            )
        for base in _bases(here):
            if base.parts[1:2] == ("usr",):
                pythons += _programs(here, base)
                continue
            place = _place(str(base), blueprint)
            if place not in mounts:
                mounts[place] = Mount(str(base.resolve()), place)
                notes.append(f"its Python in {base} comes along, read-only")
        notes += _unreadable([here, *_bases(here)])
    return Mounts(tuple(mounts.values()), tuple(notes), tuple(dict.fromkeys(pythons)))


def make_folders_above(
    mounts: Sequence[Mount], homes: Mapping[Path, int], controller_home: Path
) -> None:
    """Make the folders above mounts in home folders, which would else be root's. The controller
    sees the machine's own folders; it gets links.

    :param homes: of the nodes, with the account's number.
    """
    for mount in mounts:
        place = PurePosixPath(mount.place)
        if place.parts[0] != "~":
            continue
        below = place.relative_to("~")
        for home, uid in {**homes, controller_home: 0}.items():
            make_folder(home, str(below.parent), uid)
        link = controller_home / below
        if not link.exists():
            link.symlink_to(mount.source)


def _place(written: str, blueprint: Blueprint) -> str:
    """
    :raises LabError: nothing can be mounted there.
    """
    path = PurePosixPath(os.path.normpath(written))
    in_home = path.parts[:1] == ("~",)
    if ".." in path.parts or not (in_home or path.is_absolute()) or len(path.parts) < 2:
        raise LabError(
            f"cannot mount at {written!r}: it must be a place like ~/venv or /venvs/torch"
        )
    if in_home:
        return str(path)
    if path.parts[1] in SYSTEM:
        raise LabError(
            f"cannot mount at {path}: a node's own /{path.parts[1]} is there, which on Linux nodes "
            "has what this machine's has",
            hint="Give it another place: --mount SRC:DEST.",
        )
    own = {machine.home for machine in blueprint.machines.values()}
    shared = {"/tmp", "/opt", "/srv", "/mnt", "/media", "/home", "/root", "/Users"}
    hidden = sorted(p for p in own | shared if PurePosixPath(p).is_relative_to(path))
    if hidden:
        raise LabError(
            f"cannot mount at {path}: it would hide a node's own {hidden[0]}",
            hint="Give it a place below that: --mount SRC:DEST.",
        )
    return str(path)


def _venvs(folder: Path) -> Iterator[Path]:
    """``folder`` and the folders in it, as far as they are venvs."""
    for file in (folder / "pyvenv.cfg", *sorted(folder.glob("*/pyvenv.cfg"))):
        if file.is_file():
            yield file.parent


def _bases(folder: Path) -> tuple[Path, ...]:
    """The folders with the Pythons of the venvs in ``folder``: by their settings, and by where
    ``bin/python`` leads, which may be another name of the same."""
    found: dict[Path, None] = {}
    for venv in _venvs(folder):
        for line in (venv / "pyvenv.cfg").read_text(errors="replace").splitlines():
            key, _, value = line.partition("=")
            home = Path(value.strip())
            if key.strip().lower() == "home" and home.is_absolute():
                found[home.parent if home.name == "bin" else home] = None
        python = (venv / "bin/python").resolve()
        if python.is_file():
            found[python.parent.parent] = None
    return tuple(base for base in found if base.is_dir() and not base.is_relative_to(folder))


def _programs(folder: Path, base: Path) -> Iterator[Path]:
    """The programs of ``base`` that ``bin/python…`` of the venvs in ``folder`` lead to."""
    for venv in _venvs(folder):
        for link in sorted((venv / "bin").glob("python*")):
            if link.is_symlink() and (target := link.readlink()).parent == base / "bin":
                yield target


def _unreadable(folders: Iterable[Path]) -> Iterator[str]:
    for folder in folders:
        if folder.stat().st_mode & 0o005 != 0o005:
            yield f"others may not read {folder}, so accounts on nodes cannot: chmod o+rX"
