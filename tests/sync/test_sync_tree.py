"""Which files of a folder are copied."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fleetctl.config import load_text
from fleetctl.errors import UsageError
from fleetctl.model.jobs import Sync
from fleetctl.sync.syncer import secret_files
from fleetctl.sync.tree import read_tree
from tests.launch.conftest import installed

JOB = """\
fleet: f
nodes: {n: }
jobs: {j: {services: {s: {on: n, command: x, env_file: .env}}}}
"""

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes empty files in a folder, whose path it returns."""

    def made(*names: str, **contents: str) -> Path:
        folder = tmp_path / "code"
        folder.mkdir(exist_ok=True)
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")
        return folder

    return made


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=me", "-c", "user.email=me@localhost"]
    subprocess.run(["git", "-C", folder, *who, *arguments], check=True, capture_output=True)


def names(folder: Path, *exclude: str, secrets: tuple[str, ...] = ()) -> list[str]:
    return list(read_tree(Sync(str(folder), {}, exclude), secrets).files)


@pytest.mark.parametrize("repository", [True, False])
def test_what_git_ignores_is_left_out_with_and_without_a_repository(
    make: Make, repository: bool
) -> None:
    folder = make("a.py", "sub/b.py", "sub/c.log", "out/d", "e e", "-f", "#g", "keep.log")
    (folder / ".gitignore").write_text("*.log\n!keep.log\n/out/\n")
    if repository:
        git(folder, "init", "-q")
    assert names(folder) == ["#g", "-f", ".gitignore", "a.py", "e e", "keep.log", "sub/b.py"]
    assert names(folder, "sub", "-f") == ["#g", ".gitignore", "a.py", "e e", "keep.log"]


def test_a_repository(make: Make) -> None:
    folder = make("tracked", "deleted", "ignored/but-tracked", "sub/x", "inner/y", "inner/z.tmp")
    (folder / ".gitignore").write_text("ignored\n")
    git(folder, "init", "-q")
    git(folder, "add", "-f", "tracked", "deleted", "ignored")
    (folder / "deleted").unlink()
    git(folder / "inner", "init", "-q")
    (folder / "inner/.gitignore").write_text("*.tmp\n")
    (folder / "link").symlink_to("sub")
    assert names(folder) == [
        ".gitignore", "ignored/but-tracked", "inner/.gitignore", "inner/y", "link", "sub/x",
        "tracked",
    ]  # fmt: skip
    assert names(folder / "sub") == ["x"], "a folder within a repository"
    assert read_tree(Sync(str(folder), {}), ()).files["link"].target == "sub"


def test_an_env_file_is_never_copied(make: Make) -> None:
    folder = make("a", "sub/.env", "sub/real", ".env")
    (folder / "sub/link").symlink_to("real")
    secrets = (str(folder / "sub/.env"), str(folder / "sub/link"))
    assert names(folder, secrets=secrets) == [".env", "a"]
    assert secret_files(load_text(JOB, str(folder / "nodes.yaml")).jobs) == {str(folder / ".env")}


def test_a_submodule_that_is_not_checked_out_is_nothing(make: Make) -> None:
    folder = make("a", "lib/b")
    git(folder, "init", "-q")
    git(folder / "lib", "init", "-q")
    git(folder / "lib", "add", "b")
    git(folder / "lib", "commit", "-qm", "b")
    git(folder, "add", ".")
    assert names(folder) == ["a", "lib/b"]
    shutil.rmtree(folder / "lib")
    (folder / "lib").mkdir()
    assert names(folder) == ["a"]


def without_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))


def test_without_git(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = make("a", "sub/b", ".git/config", "sub/.fleetctl-sync.x")
    make(".fleetctl-sync.123/half")
    (folder / "link").symlink_to("sub")
    without_git(monkeypatch, tmp_path)
    assert names(folder) == ["a", "link", "sub/.fleetctl-sync.x", "sub/b"]
    make("sub/.gitignore")
    with pytest.raises(UsageError, match=r"sub/\.gitignore says what not to copy, and there is no"):
        names(folder)


def test_what_cannot_be_copied_is_a_sentence(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = make("a")
    for wrong, says in ((folder / "b", "does not exist"), (folder / "a", "is no folder")):
        with pytest.raises(UsageError, match=says):
            names(wrong)
    with pytest.raises(UsageError, match=r"has no files to sync\. Perhaps all of it is excluded"):
        names(folder, "a")
    make("two\nlines")
    with pytest.raises(UsageError, match=r"has a line break in its name.*exclude it"):
        names(folder)
    assert names(folder, "two*") == ["a"]
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    fake = bin_folder / "git"
    fake.write_text("#!/bin/sh\necho 'fatal: detected dubious ownership' >&2; exit 128\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_folder}:/usr/bin:/bin")
    with pytest.raises(UsageError, match=r"git cannot list the files of .*: detected dubious"):
        names(folder)


def test_a_file_that_may_not_be_read(make: Make) -> None:
    """By a process that has no right to read everything, also where root runs the tests."""
    folder = make("a")
    (folder / "a").chmod(0)
    text = (
        "from fleetctl.model.jobs import Sync; from fleetctl.sync.tree import read_tree\n"
        f"read_tree(Sync({str(folder)!r}, {{}}), ())"
    )
    without = [installed("setpriv"), "--bounding-set=-dac_override,-dac_read_search"]
    argv = [*(without if os.geteuid() == 0 else ()), sys.executable, "-c", text]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    says = "a cannot be read: Permission denied. Change that, or exclude it in nodes.yaml."
    assert done.returncode and says in done.stderr


def test_git_is_here() -> None:
    assert shutil.which("git"), "scripts/setup.sh installs it"
