"""The files of a folder on this machine: those that git tracks or would track."""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
import subprocess
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from fleetctl.errors import UsageError
from fleetctl.escaping import visible
from fleetctl.model.jobs import Sync
from fleetctl.model.syncing import Entry
from fleetctl.sync.answer import entry
from fleetctl.sync.node_files import STAGE
from fleetctl.sync.patterns import excluder

MOST_FILES = 100_000
_GIT_TIMEOUT_S = 60.0


class Tree(Struct, frozen=True):
    """The files of a folder that are copied."""

    folder: str
    files: Mapping[str, Entry]
    """By path, relative to the folder, in alphabetical order."""

    @property
    def key(self) -> str:
        """Stands for all of them."""
        found = hashlib.sha256()
        for path, one in self.files.items():
            found.update(f"{one.digest} {path}\n".encode("utf-8", "surrogateescape"))
        return found.hexdigest()

    def gone(self, path: str) -> bool:
        """Whether a path is not here any more, whether or not it would be copied."""
        return not os.path.lexists(Path(self.folder, path))

    def digests(self, paths: Iterable[str]) -> list[str]:
        """What digest.sh prints of ``paths`` where they are the same."""
        return [_digest(Path(self.folder, path)) for path in paths]


def _digest(path: Path) -> str:
    try:
        if path.is_symlink():
            return f"link {path.readlink()}"
        with path.open("rb") as file:
            return f"file {hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        return f"unreadable: {error.strerror}"


def read_all(sync: Sync, secrets: Collection[str]) -> tuple[Tree, Tree | None]:
    """What is copied to each node, and what nodes share; see :func:`read_tree`."""
    return read_tree(sync, secrets), read_shared(sync, secrets) if sync.share else None


def read_tree(sync: Sync, secrets: Collection[str]) -> Tree:
    """The files that ``sync`` is about, but for what is shared.

    :param secrets: absolute paths of files that are never copied.
    :raises UsageError: the folder or a file in it cannot be read, or git fails.
    """
    folder = Path(sync.source)
    shared = tuple(f"{path}/" for path in sync.share.paths) if sync.share else ()
    try:
        if not folder.is_dir():
            what = "is no folder" if folder.exists() else "does not exist"
            raise UsageError(f"{folder}, the code to sync, {what}", hint="See from in nodes.yaml.")
        found = [one for one in _files(folder, "") if not f"{one[0]}/".startswith(shared)]
        files = _copied(sync, found, secrets)
    except OSError as error:
        raise _unreadable(error, folder) from None
    if not files and not sync.share:
        hint = "Perhaps all of it is excluded, or ignored by git."
        raise UsageError(f"{folder} has no files to sync", hint=hint)
    return Tree(str(folder), files)


def read_shared(sync: Sync, secrets: Collection[str]) -> Tree:
    """The files that are shared, also those that git ignores.

    :param secrets: as in :func:`read_tree`.
    :raises UsageError: one of its folders or files cannot be read, or is not there.
    """
    assert sync.share
    found: dict[str, Entry] = {}
    try:
        for name in sync.share.paths:
            path = Path(sync.source, name)
            if not os.path.lexists(path):
                hint = "See share in nodes.yaml."
                raise UsageError(f"{path}, which is to be shared, does not exist", hint=hint)
            below = (Path(name, each).as_posix() for each in _all_below(path))
            found.update(_entries(sync.source, below if path.is_dir() else [name]))
        files = _copied(sync, found.items(), secrets)
    except OSError as error:
        raise _unreadable(error, Path(sync.source)) from None
    return Tree(sync.source, files)


def _unreadable(error: OSError, folder: Path) -> UsageError:
    return UsageError(f"{error.filename or folder} cannot be read: {error.strerror}")


def _copied(
    sync: Sync, found: Iterable[tuple[str, Entry]], secrets: Collection[str]
) -> dict[str, Entry]:
    """What is copied of ``found``, in alphabetical order.

    :raises UsageError: a file cannot be.
    """
    hidden = {os.path.realpath(path) for path in secrets}
    names_hidden = {posixpath.basename(path) for path in (*secrets, *hidden)}
    excluded = excluder(sync.exclude)
    files = {}
    for name, one in sorted(found, key=lambda file: file[0]):
        if name.startswith(STAGE) or excluded(name):
            continue
        path = os.path.join(sync.source, name)  # noqa: PTH118 -- quick, for there may be very many
        if posixpath.basename(name) in names_hidden and os.path.realpath(path) in hidden:
            continue
        if "\n" in name:
            what = f"{visible(name)!r} has a line break in its name, and cannot be synced"
            raise UsageError(what, hint="Rename it, or exclude it in nodes.yaml.")
        if one.kind == "file" and not os.access(path, os.R_OK):
            what = f"{path} cannot be read: Permission denied"
            raise UsageError(what, hint="Change that, or exclude it in nodes.yaml.")
        files[name] = one
    if len(files) > MOST_FILES:
        raise UsageError(
            f"{sync.source} has {len(files)} files to sync, and {MOST_FILES} are the most",
            hint="Leave out what is no code: exclude in nodes.yaml, or .gitignore.",
        )
    return files


def _entries(folder: str, names: Iterable[str]) -> Iterator[tuple[str, Entry]]:
    """Files and links of ``folder``, by their paths in it.

    :raises OSError: something cannot be read.
    """
    for name in names:
        path = os.path.join(folder, name)  # noqa: PTH118 -- quick, for there may be very many
        found = os.lstat(path)
        one = _entry(path, found)
        if one.kind != "other":
            yield name, one


def _entry(path: str, found: os.stat_result) -> Entry:
    target = os.readlink(path) if stat.S_ISLNK(found.st_mode) else ""  # noqa: PTH115 -- as above
    mtime, fraction_ns = divmod(found.st_mtime_ns, 10**9)
    return entry(found.st_mode, found.st_size, mtime, target, fraction_ns)


def _files(folder: Path, prefix: str) -> Iterator[tuple[str, Entry]]:
    """The files of ``folder``, each with its name behind ``prefix``; also those of repositories in
    it.

    :raises UsageError: git fails, or is missing where it is needed.
    :raises OSError: something cannot be read.
    """
    for name in set(_listed(folder)):
        path = os.path.join(folder, name)  # noqa: PTH118 -- quick, for there may be very many
        try:
            one = _entry(path, os.lstat(path))
        except (FileNotFoundError, NotADirectoryError):  # tracked and deleted
            continue
        if one.kind != "other":
            yield f"{prefix}{name}", one
        elif Path(path, ".git").exists():  # else it is a submodule that is not checked out
            yield from _files(Path(path), f"{prefix}{name.rstrip('/')}/")


def _listed(folder: Path) -> Iterator[str]:
    """Paths of all files that git does not ignore; without a git of all, if none are ignored.

    :raises UsageError: git fails, or is missing where it is needed.
    """
    said = _git(folder, "-C", str(folder))
    if said is None:
        with tempfile.TemporaryDirectory(prefix="fleetctl-") as empty:
            _run_git(folder, "init", "--quiet", "--bare", empty)
            said = _git(folder, f"--git-dir={empty}", f"--work-tree={folder}", "-C", str(folder))
    if said is None:
        yield from _walked(folder)
        return
    yield from said


def _git(folder: Path, *options: str) -> list[str] | None:
    """What git lists; None: there is no git, or ``folder`` belongs to no repository."""
    done = _run_git(
        folder, *options, "ls-files", "-z", "--cached", "--others", "--exclude-standard"
    )
    if done is None:
        return None
    said = done.stderr.decode("utf-8", "replace")
    if done.returncode == 0:
        return [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]
    if "not a git repository" in said or "must be run in a work tree" in said:
        return None
    reason = said.strip().removeprefix("fatal: ").partition("\n")[0]
    raise UsageError(f"git cannot list the files of {folder}: {reason}")


def _run_git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes] | None:
    """None: there is no git."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**env, "LC_ALL": "C"},
            timeout=_GIT_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        return None
    except subprocess.TimeoutExpired:
        what = f"git did not list the files of {folder} within {_GIT_TIMEOUT_S:g} s"
        raise UsageError(what) from None
    return None if b"xcrun: error" in done.stderr else done  # macOS without its command line tools


def _walked(folder: Path) -> Iterator[str]:
    """
    :raises UsageError: some of it is to be ignored.
    """
    for name in _all_below(folder):
        if posixpath.basename(name) == ".gitignore":
            raise UsageError(
                f"{folder}/{name} says what not to copy, and there is no git here to read it",
                hint="Install git.",
            )
        yield name


def _all_below(folder: Path) -> Iterator[str]:
    """Paths of all files and links, but for those of git itself.

    :raises OSError: a folder cannot be read.
    """

    def failed(error: OSError) -> None:
        raise error

    for place, folders, names in os.walk(folder, onerror=failed):
        folders[:] = [name for name in folders if name != ".git"]
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        for name in [*names, *links]:
            yield os.path.relpath(Path(place) / name, folder)
