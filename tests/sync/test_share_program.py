"""What runs on each node while files are shared: what it refuses."""

from __future__ import annotations

import io
import os
import socket
import threading
from pathlib import Path

import pytest

from fleetctl.sync.answer import entry
from fleetctl.sync.share_links import joined, listening
from fleetctl.sync.share_program import Part, sweep
from fleetctl.sync.share_stream import Failed, Source
from fleetctl.sync.spreading import stream_to_head
from fleetctl.sync.tree import Tree

KEY = b"k" * 32
CONTENT = b"content of a model" * 3


@pytest.fixture
def stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """With one file; the working directory is the folder that it goes into."""
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    (tmp_path / "here/m").write_bytes(CONTENT)
    monkeypatch.chdir(tmp_path / "there")
    tree = Tree(str(tmp_path / "here"), {"m": entry(0o100644, len(CONTENT), 1)})
    return b"".join(stream_to_head(KEY, tree, ["m"], {"m"}))


def take(stream: bytes, key: bytes = KEY) -> None:
    Part(Source(io.BytesIO(stream).read, key), [], {"m"}).run()


def names(folder: Path = Path()) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_there_once_all_of_it_has_come(stream: bytes) -> None:
    take(stream)
    assert Path("m").read_bytes() == CONTENT and names() == ["m"]


def test_whatever_byte_is_changed_the_file_is_not_there(stream: bytes) -> None:
    end = stream.index(b'{"end"') - 4
    for place in range(end):
        wrong = bytearray(stream)
        wrong[place] ^= 1
        with pytest.raises(Failed) as raised:
            take(bytes(wrong))
        assert raised.value.kind in ("edge", "behind"), place
        assert not Path("m").exists(), place


def test_what_is_left_out_or_sent_by_a_stranger_is_refused(stream: bytes) -> None:
    with pytest.raises(Failed) as raised:
        take(stream[:-100])
    assert raised.value.kind == "behind"
    with pytest.raises(Failed, match="what came is not what was sent"):
        take(stream, b"x" * 32)
    with pytest.raises(Failed, match="what came is not what was sent"):
        take(stream[stream.index(b'{"end"') - 4 :])  # the same seal, of another number
    assert not Path("m").exists()


def test_a_disk_that_takes_nothing_stops_only_the_writing(
    stream: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    part = Part(Source(io.BytesIO(stream).read, KEY), [], {"m"})
    part.run()
    assert part.obstacle == "m cannot be written: No space left on device"
    assert part.passed == len(CONTENT) and names() == []


def test_only_the_neighbour_is_let_in() -> None:
    server = listening("127.0.0.1")
    address = {"address": "127.0.0.1", "port": server.getsockname()[1]}
    mine = {"edge": "b", "listens": 0, "to_child": True}
    found: list[socket.socket] = []
    waiting = threading.Thread(target=lambda: found.append(joined(mine, [server], KEY)))
    waiting.start()
    theirs = {"edge": "b", "to_child": False, **address}
    with pytest.raises(OSError):
        joined(theirs, [], b"x" * 32)  # another key
    with pytest.raises(OSError):
        joined({**theirs, "edge": "c"}, [], KEY)  # another edge
    with pytest.raises(OSError):
        joined({**theirs, "to_child": True}, [], KEY)  # what it says, said back
    with joined(theirs, [], KEY) as link:
        waiting.join(10)
        with found[0] as other:
            other.sendall(b"hello")
            assert link.recv(5) == b"hello"
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", address["port"]), 1)


def test_what_a_killed_part_left_is_taken_away(tmp_path: Path) -> None:
    for name in ("of-the-job", ".fleetctl-sync.old", ".fleetctl-sync.now"):
        (tmp_path / name).write_text("x")
    os.utime(tmp_path / ".fleetctl-sync.old", (1, 1))
    os.utime(tmp_path / "of-the-job", (1, 1))
    sweep(tmp_path)
    assert names(tmp_path) == [".fleetctl-sync.now", "of-the-job"]
