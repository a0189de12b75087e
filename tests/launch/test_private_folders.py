"""What a start relies on may be written by its account alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fleetctl.errors import LaunchError
from fleetctl.local_files import private_folder
from tests.launch.conftest import Node
from tests.launch.jobs import instance

ONE = instance("one", command="exec sleep 1000")


def state(node: Node) -> Path:
    return node.folder(ONE).parents[2]


def refused(node: Node) -> LaunchError:
    with pytest.raises(LaunchError) as caught:
        node.start(ONE)
    assert caught.value.code == "state-unwritable"
    assert not node.tmux("list-windows", "-a")
    return caught.value


@pytest.mark.parametrize("above", range(4))
@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_folder_that_others_may_write(node: Node, above: int, mode: int) -> None:
    folder = (node.folder(ONE), *node.folder(ONE).parents)[above]
    folder.mkdir(0o700, parents=True)
    folder.chmod(mode)
    assert "can be written by others" in refused(node).reason
    folder.chmod(0o755)
    node.start(ONE)
    node.stop(ONE)


def test_a_symbolic_link_in_it(node: Node, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(0o700)
    folder = node.folder(ONE)
    folder.parent.mkdir(0o700, parents=True)
    folder.symlink_to(elsewhere)
    assert f"{folder} is a symbolic link" in refused(node).reason
    assert list(elsewhere.iterdir()) == []


def test_a_file_in_its_place(node: Node) -> None:
    folder = node.folder(ONE).parent
    folder.parent.mkdir(0o700, parents=True)
    folder.write_text("")
    error = refused(node)
    assert f"{folder} is no folder" in error.reason
    assert "Move away what is there" in error.hint


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_account(node: Node) -> None:
    state(node).mkdir(0o700, parents=True)
    os.chown(state(node), 12345, 12345)
    assert "belongs to another account (uid 12345)" in refused(node).reason


def test_what_is_made_on_this_machine_is_private(tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        private_folder(tmp_path / "a" / "b" / "c")
    finally:
        os.umask(before)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("a", "a/b", "a/b/c")]
    assert modes == [0o700] * 3
