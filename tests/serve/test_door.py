"""The socket: whose it may be, which may use it, and what is left of one that was killed."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fleetctl.link.warm.place import connected, peer_uid, socket_path
from fleetctl.serve.door import Door, DoorError
from tests.openssh import UID, bounded

# ruff: noqa: ASYNC240 -- no file here keeps a loop waiting

FLEET = "home"
ROOT = os.geteuid() == 0


async def _greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    await writer.drain()


def _heard() -> bytes | None:
    """What a client of this user is told; None: it takes the place for none of a server."""
    connection = connected(FLEET, 5.0)
    if connection is None:
        return None
    try:
        return connection.recv(100)
    finally:
        connection.close()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_a_client_finds_it_and_it_is_gone_afterwards() -> None:
    async def body() -> None:
        async with Door(FLEET, _greet) as door:
            assert Path(door.path).stat().st_mode & 0o777 == 0o600
            assert Path(door.path).parent.stat().st_mode & 0o777 == 0o700
            assert await asyncio.to_thread(_heard) == b"hello"
        assert not Path(door.path).exists()
        assert _heard() is None

    bounded(body())


def test_what_a_killed_one_left_is_replaced() -> None:
    path = Path(socket_path(FLEET))
    path.parent.mkdir(parents=True, mode=0o700)
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()

    async def body() -> None:
        path.chmod(0o600)
        assert _heard() is None
        async with Door(FLEET, _greet):
            assert await asyncio.to_thread(_heard) == b"hello"

    bounded(body())


def test_a_long_home_has_a_short_socket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 90)
    monkeypatch.setenv("HOME", str(long))
    assert len(socket_path(FLEET)) <= 100

    async def body() -> None:
        async with Door(FLEET, _greet) as door:
            assert await asyncio.to_thread(_heard) == b"hello"
        assert not Path(door.path).parent.exists()

    bounded(body())


@pytest.mark.skipif(not ROOT, reason="only root can give files away")
@pytest.mark.parametrize("whose", ["folder", "socket", "open to others", "link"])
def test_what_is_not_this_user_s_alone_is_never_used(whose: str, tmp_path: Path) -> None:
    async def body() -> None:
        async with Door(FLEET, _greet) as door:
            path = Path(door.path)
            if whose == "folder":
                os.chown(path.parent, UID, UID)
            elif whose == "socket":
                os.chown(path, UID, UID)
            elif whose == "open to others":
                path.chmod(0o666)
            else:
                path.rename(tmp_path / "elsewhere")
                path.symlink_to(tmp_path / "elsewhere")
            assert await asyncio.to_thread(_heard) is None
            os.chown(path.parent, 0, 0)

    bounded(body())


@pytest.mark.skipif(not ROOT, reason="only root can give files away")
def test_a_folder_of_another_user_holds_no_socket() -> None:
    path = Path(socket_path(FLEET))
    path.parent.mkdir(parents=True, mode=0o700)
    os.chown(path.parent, UID, UID)

    async def body() -> None:
        async with Door(FLEET, _greet):
            pass

    with pytest.raises(DoorError, match=r"belongs to another user .*Other commands go on"):
        bounded(body())
    assert not path.exists()


@pytest.mark.skipif(not ROOT, reason="only root can become another user")
def test_another_user_gets_no_answer(tmp_path: Path) -> None:
    """Even where file modes let it connect."""
    script = """
import os, socket, sys
os.setuid(47110)
with socket.socket(socket.AF_UNIX) as own:
    own.connect(sys.argv[1])
    print(own.recv(100))
"""

    async def body() -> None:
        async with Door(FLEET, _greet) as door:
            for folder in (*Path(door.path).parents, Path(door.path)):
                if str(folder).startswith(("/tmp/", str(tmp_path.parents[1]))):
                    folder.chmod(0o777)
            done = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-S", "-c", script, door.path],
                capture_output=True,
                text=True,
                timeout=20,
                check=False,
            )
            assert done.stdout == "b''\n", done.stderr

    bounded(body())


def test_the_peer_s_user_is_known() -> None:
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        assert peer_uid(one) == os.getuid()
