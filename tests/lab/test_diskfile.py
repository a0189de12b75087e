"""Files of a machine are read and written from outside without following links that are there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fleetctl.errors import LabError
from fleetctl.lab import diskfile


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file that is not on the machine's disk."""
    file = tmp_path / "outside/file"
    file.parent.mkdir()
    file.write_text("own")
    return file


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "etc").mkdir(parents=True)
    return folder


def test_what_is_written_is_read(root: Path) -> None:
    diskfile.write(root, "/etc/new/folder/a.conf", "longer text\n", 0o600)
    diskfile.write(root, "etc/new/folder/a.conf", "text\n", 0o640)
    file = root / "etc/new/folder/a.conf"
    assert file.read_text() == "text\n"
    assert file.stat().st_mode & 0o7777 == 0o640
    assert diskfile.text(root, "/etc/new/folder/a.conf") == "text\n"
    (file.parent / "b.conf").touch()
    (file.parent / "c.txt").touch()
    assert diskfile.names(root, "/etc/new/folder", ".conf") == ["a.conf", "b.conf"]
    diskfile.remove(root, "/etc/new/folder/a.conf")
    diskfile.remove(root, "/etc/new/folder/a.conf")
    assert diskfile.names(root, "/etc/new/folder", ".conf") == ["b.conf"]


def test_what_is_not_there(root: Path) -> None:
    assert diskfile.text(root, "/etc/no/file") == ""
    assert diskfile.names(root, "/etc/no", "") == []
    diskfile.remove(root, "/etc/no/file")


Obstacle = Callable[[Path, Path], object]
OBSTACLES: dict[str, Obstacle] = {
    "a link to the file": lambda place, out: place.symlink_to(out),
    "a link to nothing": lambda place, out: place.symlink_to(out.with_name("new")),
    "a pipe": lambda place, _out: os.mkfifo(place),
    "a folder": lambda place, _out: place.mkdir(),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_what_is_no_file(root: Path, outside: Path, obstacle: str) -> None:
    OBSTACLES[obstacle](root / "etc/file", outside)
    assert diskfile.read(root, "/etc/file") == b""
    with pytest.raises(LabError, match=r"the lab cannot change /etc/file on its disk: \w"):
        diskfile.write(root, "/etc/file", "changed")
    assert {file.name: file.read_text() for file in outside.parent.iterdir()} == {"file": "own"}


def test_a_folder_that_is_a_link(root: Path, outside: Path) -> None:
    (root / "etc/folder").symlink_to(outside.parent)
    acts: tuple[Callable[[], None], ...] = (
        lambda: diskfile.write(root, "/etc/folder/file", "changed"),
        lambda: diskfile.write(root, "/etc/folder/deeper/file", "changed"),
        lambda: diskfile.remove(root, "/etc/folder/file"),
    )
    for act in acts:
        with pytest.raises(LabError, match="Not a directory"):
            act()
    assert diskfile.text(root, "/etc/folder/file") == ""
    assert diskfile.names(root, "/etc/folder", "") == []
    assert {file.name: file.read_text() for file in outside.parent.iterdir()} == {"file": "own"}


def test_a_large_file_is_read_in_part(root: Path) -> None:
    with (root / "large").open("wb") as file:
        file.truncate(1 << 40)
    assert len(diskfile.read(root, "large")) == diskfile.LARGEST
