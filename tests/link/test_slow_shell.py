"""A login shell that takes long until it runs anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fleetctl.errors import LinkHung
from fleetctl.link.ssh.connect import Connector
from tests.openssh import Server, bounded

SLOW_S = 1.5
pytestmark = pytest.mark.usefixtures("client_home")


@pytest.fixture
def slow(make_sshd: Callable[..., Server]) -> Server:
    server = make_sshd()
    (server.home / ".bashrc").write_text(f"echo loading...; sleep {SLOW_S}\n")
    return server


def test_its_time_is_not_the_scripts(slow: Server) -> None:
    async def body() -> None:
        link = await Connector({}).connect(slow.node())
        assert link.shell_s is None
        done = await link.run("cat", stdin=b"in\n", timeout_s=0.5)
        assert done.text == "in\n"
        assert link.shell_s is not None
        assert link.shell_s >= SLOW_S
        async with link.stream("echo streamed") as stream:
            await stream.begun()
            assert await stream.read(0.5) == b"streamed\n"
        with pytest.raises(LinkHung, match=r"a command did not end within 0\.2 s"):
            await link.run("sleep 60", timeout_s=0.2)
        await link.close()

    bounded(body())


def test_a_quick_one_is_known_as_quick(sshd: Server) -> None:
    async def body() -> None:
        link = await Connector({}).connect(sshd.node())
        await link.run("sleep 0.3", timeout_s=10)
        assert link.shell_s is not None
        assert link.shell_s < 0.3 + 1
        await link.close()

    bounded(body())


def test_one_that_ends_before_the_script_is_no_hang(sshd: Server, tmp_path: Path) -> None:
    key = sshd.forced("ending", "echo no; exit 3")

    async def body() -> None:
        link = await Connector({}).connect(sshd.node(identity_file=str(key)))
        with pytest.raises(Exception, match="ended with status 3 before it ran the command"):
            await link.run("echo in", timeout_s=5)
        await link.close()

    bounded(body())
