"""Local Network privacy of a Mac that fleetctl runs on; ping tells it from a dead route."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from fleetctl.errors import ConnectFailed, LinkError
from fleetctl.link.ssh import dial, privacy
from tests.openssh import alive, bounded, until
from tests.waiting import eventually


def error(monkeypatch: pytest.MonkeyPatch, number: int) -> LinkError:
    """How a connection fails whose every address fails with ``number``."""

    async def refuse(_family: int, _address: Any) -> socket.socket:
        raise OSError(number, "no")

    async def connect() -> None:
        deadline = asyncio.get_running_loop().time() + 5
        await dial.dial("mini1", "192.168.1.11", 22, socket.AF_INET, deadline)

    monkeypatch.setattr(dial, "_connect", refuse)
    with pytest.raises(LinkError) as raised:
        asyncio.run(connect())
    return raised.value


@pytest.mark.parametrize(
    ("platform", "status", "number", "code"),
    [
        ("darwin", 0, errno.EHOSTUNREACH, "local-network-denied"),
        ("darwin", 2, errno.EHOSTUNREACH, "ssh-unreachable"),
        ("darwin", 0, errno.ECONNREFUSED, "ssh-unreachable"),
        ("linux", 0, errno.EHOSTUNREACH, "ssh-unreachable"),
    ],
)
def test_no_route_to_a_neighbour_that_answers_pings(
    platform: str, status: int, number: int, code: str, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    (tmp_path / "ping").write_text(f"#!/bin/sh\nexit {status}\n")
    (tmp_path / "ping").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(sys, "platform", platform)
    found = error(monkeypatch, number)
    assert (found.code, isinstance(found, ConnectFailed)) == (code, True)
    assert ("ping reaches 192.168.1.11" in found.reason) == (code == "local-network-denied")


def test_a_ping_that_is_no_longer_waited_for_ends_with_what_it_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    child = tmp_path / "child"
    (tmp_path / "ping").write_text(
        f"#!/bin/sh\nsleep 600 &\necho $! >{child}.new\nmv {child}.new {child}\nwait\n"
    )
    (tmp_path / "ping").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(privacy, "PING_S", 60.0)

    async def body() -> None:
        asking = asyncio.create_task(privacy._ping_answers("192.168.1.11"))
        await until(child.exists, "it pings")
        asking.cancel()
        await asyncio.wait([asking])

    bounded(body())
    eventually(lambda: not alive(int(child.read_text())), "what it started ends")
