"""Whatever a user names as a file: it is read, or refused with the reason, and soon."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fleetctl.config import load
from fleetctl.env_file import read_env_file
from fleetctl.errors import ConfigError, FleetctlError
from fleetctl.local_files import TooLarge, append_lines, read_bounded, write_whole
from fleetctl.model.topology import SSH, Node
from fleetctl.observe.started_nodes import StartedNodes


def _fifo(folder: Path) -> Path:
    os.mkfifo(folder / "fifo")
    return folder / "fifo"


def _socket(folder: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(folder / "s"))
    return folder / "s"


def _large(folder: Path) -> Path:
    path = folder / "large"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    return path


ODD: dict[str, Callable[[Path], Path]] = {
    "fifo": _fifo,
    "socket": _socket,
    "large": _large,
    "folder": lambda folder: folder,
    "zero": lambda _: Path("/dev/zero"),
    "full": lambda _: Path("/dev/full"),
    "random": lambda _: Path("/dev/urandom"),
    "tty": lambda _: Path("/dev/tty"),
    "memory": lambda _: Path("/proc/self/mem"),
}
either = pytest.mark.parametrize("odd", ODD)


@either
def test_no_odd_file_is_waited_for(odd: str, tmp_path: Path) -> None:
    path = ODD[odd](tmp_path)
    began = time.monotonic()
    with pytest.raises(OSError, match=r".") as caught:
        read_bounded(path, 100_000)
    assert caught.value.strerror
    with pytest.raises(ConfigError, match=r"cannot be read|is larger than|not UTF"):
        load(path)
    with pytest.raises(FleetctlError, match=r"cannot be read"):
        read_env_file(str(path))
    assert time.monotonic() - began < 5


def test_a_pipe_that_somebody_writes_into_is_read(tmp_path: Path) -> None:
    path = _fifo(tmp_path)
    end = os.open(path, os.O_RDWR)

    def write() -> None:
        for _ in range(50):
            os.write(end, b"x" * 4000)
        os.close(end)

    writer = threading.Thread(target=write)
    writer.start()
    assert read_bounded(path, 1_000_000) == b"x" * 200_000
    writer.join()


def test_a_pipe_out_of_which_nothing_comes_is_given_up(tmp_path: Path) -> None:
    path = _fifo(tmp_path)
    end = os.open(path, os.O_RDWR)
    with pytest.raises(OSError, match="nothing comes out of it"):
        read_bounded(path, 100, wait_s=0.05)
    os.close(end)


def test_a_file_of_exactly_the_bound_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 70_000)
    assert read_bounded(path, 70_000) == b"x" * 70_000
    with pytest.raises(TooLarge):
        read_bounded(path, 69_999)
    assert read_bounded("/dev/null", 10) == b""


@either
def test_an_odd_file_in_place_of_our_own_is_as_none(
    odd: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "made").mkdir()
    folder = tmp_path / ".local/state/fleetctl/f"
    folder.mkdir(parents=True)
    (folder / ".nodes.json").symlink_to(ODD[odd](tmp_path / "made"))
    assert StartedNodes("f").former({"n": Node("n", SSH("n"))}) == {}


def test_a_file_is_written_whole_or_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("old")

    def refused(new: Path) -> None:
        assert new.read_text() == "new"
        raise FleetctlError("no")

    with pytest.raises(FleetctlError):
        write_whole(path, b"new", 0o640, refused)
    assert path.read_text() == "old"
    write_whole(path, b"new", 0o640)
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o640)
    assert [one.name for one in tmp_path.iterdir()] == ["config"]


def test_lines_are_added_whole_to_a_file_that_ends_torn(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    assert append_lines(path, b"one\n") == 4 and path.stat().st_mode & 0o777 == 0o600
    path.write_text("one\ntor")
    assert append_lines(path, b"two\n") == 12 and path.read_text() == "one\ntor\ntwo\n"
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(OSError):
        append_lines(tmp_path / "link", b"x\n", follow=False)
    with pytest.raises(OSError):
        append_lines(_fifo(tmp_path), b"x\n")
