"""Connections that break while in use, and troublesome login shells."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from fleetctl.errors import LinkError, LinkHung, LinkLost
from fleetctl.link.protocol import Link
from fleetctl.link.ssh import connect
from fleetctl.link.ssh.connect import Connector
from tests.openssh import Server, alive, bounded, until

pytestmark = pytest.mark.usefixtures("client_home")


def test_a_broken_connection_is_lost_for_all_its_users(
    make_sshd: Callable[..., Server],
) -> None:
    server = make_sshd()

    async def body() -> None:
        link = await Connector({}).connect(server.node())
        running = asyncio.create_task(link.run("echo begun >&2; sleep 300", timeout_s=20))
        async with (
            link.stream("echo first; cat >/dev/null") as stream,
            link.terminal("echo there; cat", term="xterm", columns=80, rows=24) as terminal,
        ):
            assert await stream.read(10) == b"first\n"
            assert await terminal.read() == b"there\r\n"
            server.cut()
            for reading in (stream.read(10), terminal.read(), running):
                with pytest.raises(LinkLost, match=r"^pi4: the connection broke") as caught:
                    await reading
                assert caught.value.code == "ssh-unreachable"
            terminal.resize(100, 30)
            terminal.write(b"x")
            stream.write(b"x")
            stream.write_eof()
        assert link.closed
        with pytest.raises(LinkLost):
            await link.run("echo", timeout_s=5)
        with pytest.raises(LinkLost):
            async with link.stream("echo"):
                pass
        with pytest.raises(LinkLost):
            await link.open_connection("127.0.0.1", server.port, timeout_s=5)
        await link.close()

    bounded(body())


def test_a_node_that_stops_answering_is_noticed(
    make_sshd: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "KEEPALIVE_S", 0.1)
    server = make_sshd()

    async def body() -> None:
        link = await Connector({}).connect(server.node())
        async with link.stream("cat") as stream:
            server.signal_sessions(signal.SIGSTOP)
            started = time.monotonic()
            opening = asyncio.create_task(link.run("true", timeout_s=20))
            for asked in (stream.read(10), opening, link.run("true", timeout_s=20)):
                with pytest.raises(LinkLost, match=r"broke \(Server not responding to keepalive"):
                    await asked
            assert time.monotonic() - started < 5
        server.signal_sessions(signal.SIGCONT)

    bounded(body())


def test_a_command_on_a_silent_node_ends_at_its_own_deadline(
    make_sshd: Callable[..., Server],
) -> None:
    server = make_sshd()

    async def body() -> None:
        link = await Connector({}).connect(server.node())
        await link.run("true", timeout_s=10)
        server.signal_sessions(signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(LinkHung):
            await link.run("echo", timeout_s=0.5)
        assert time.monotonic() - started < 3
        server.signal_sessions(signal.SIGCONT)
        await link.close()

    bounded(body())


def test_a_script_that_waits_on_stdin_ends_with_a_lost_connection(
    make_sshd: Callable[..., Server],
) -> None:
    server = make_sshd()

    async def body() -> None:
        link = await Connector({}).connect(server.node())
        async with link.stream("echo $$; cat >/dev/null") as stream:
            pid = int(await stream.read(10))
            server.cut()
            await until(lambda: not alive(pid), "no orphan stays")

    bounded(body())


def test_an_sshd_that_allows_few_sessions_makes_scripts_wait_their_turn(
    make_sshd: Callable[..., Server],
) -> None:
    server = make_sshd("MaxSessions 2\n")

    async def body() -> None:
        link = await Connector({}).connect(server.node())
        done = await asyncio.gather(*(link.run(f"echo {i}", timeout_s=20) for i in range(6)))
        assert [d.text for d in done] == [f"{i}\n" for i in range(6)]
        async with link.stream("cat") as _, link.stream("cat") as _:
            with pytest.raises(LinkHung, match="sshd refuses another session") as caught:
                await link.run("echo", timeout_s=0.5)
            assert "MaxSessions" in caught.value.hint
        await link.close()

    bounded(body())


def test_an_unread_stream_stops_at_its_bound_and_goes_on_when_read(
    sshd: Server,
) -> None:
    size = 40 * 1024 * 1024

    async def body() -> None:
        link = await Connector({}).connect(sshd.node())
        async with link.stream(f"head -c {size} /dev/zero") as stream:
            session = stream._session
            await until(lambda: session._paused, "the bound is reached")
            assert (await link.run("echo alive", timeout_s=10)).text == "alive\n"
            assert len(session.buffer) < 16 * 1024 * 1024
            received = 0
            while data := await stream.read(10):
                received += len(data)
            assert received == size
        await link.close()

    bounded(body())


async def _all_kinds(link: Link) -> None:
    """A script, a stream and a terminal give exactly what the script prints."""
    done = await link.run("echo out; echo err >&2; exit 3", timeout_s=10)
    assert (done.stdout, done.stderr, done.exit_status) == (b"out\n", b"err\n", 3)
    async with link.stream("echo out; echo err >&2; exit 3") as stream:
        assert await stream.read(10) == b"out\n"
        assert await stream.read(10) == b""
        assert (stream.stderr, stream.exit_status) == (b"err\n", 3)
    shown = b""
    async with link.terminal("echo out", term="xterm", columns=80, rows=24) as terminal:
        while data := await asyncio.wait_for(terminal.read(), 10):
            shown += data
    assert shown == b"out\r\n"


BANNER = "echo Welcome to the Pi; echo 'two  lines' ; echo 'quota: 90% used' >&2; "


def test_a_talkative_bashrc_changes_nothing(make_sshd: Callable[..., Server]) -> None:
    server = make_sshd()
    (server.home / ".bashrc").write_text(BANNER + "\n")

    async def body() -> None:
        link = await Connector({}).connect(server.node())
        await _all_kinds(link)
        await link.close()

    bounded(body())
    # the .bashrc really was read
    assert b"Welcome" in bounded(_raw(server, "true"))


async def _raw(server: Server, line: str) -> bytes:
    """The output of the account's login shell for ``line``, with its noise."""
    link = await Connector({}).connect(server.node())
    done = await link.connection.run(line, encoding=None)
    await link.close()
    assert isinstance(done.stdout, bytes)
    return done.stdout


@pytest.mark.parametrize("shell", ["sh", "dash", "bash", "bash --posix", "bash -x", "bash -v"])
def test_any_login_shell_with_noise_works(sshd: Server, shell: str) -> None:
    name = "key-" + shell.replace(" ", "")
    key = sshd.forced(name, f'{BANNER} exec {shell} -c "$SSH_ORIGINAL_COMMAND"')

    async def body() -> None:
        link = await Connector({}).connect(sshd.node(identity_file=str(key)))
        await _all_kinds(link)
        await link.close()

    bounded(body())


def test_a_login_shell_that_refuses_is_quoted(sshd: Server) -> None:
    key = sshd.forced("refused", "echo This account is currently not available.; exit 1")

    async def body() -> None:
        link = await Connector({}).connect(sshd.node(identity_file=str(key)))
        words = (
            r"^pi4: the login shell ended with status 1 before it ran the command, "
            r"saying 'This account is currently not available\.'"
        )
        with pytest.raises(LinkError, match=words) as caught:
            await link.run("echo in", timeout_s=10)
        assert "login shell" in caught.value.hint
        async with link.stream("echo in") as stream:
            with pytest.raises(LinkError, match="login shell ended"):
                await stream.read(10)
        await link.close()

    bounded(body())


def test_a_login_shell_that_complains_on_stderr_is_quoted_too(sshd: Server) -> None:
    key = sshd.forced("stderr", "echo no sh in this rescue system >&2; exit 127")

    async def body() -> None:
        link = await Connector({}).connect(sshd.node(identity_file=str(key)))
        with pytest.raises(LinkError, match=r"status 127 .*saying 'no sh in this rescue system'"):
            await link.run("echo in", timeout_s=10)
        await link.close()

    bounded(body())


def test_a_login_shell_that_never_runs_the_command_hangs(
    sshd: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = sshd.forced("stuck", "echo loading...; sleep 300")
    monkeypatch.setattr("fleetctl.link.ssh.link.SHELL_START_S", 0.5)

    async def body() -> None:
        link = await Connector({}).connect(sshd.node(identity_file=str(key)))
        with pytest.raises(LinkHung):
            await link.run("echo in", timeout_s=0.5)
        async with link.stream("echo in") as stream:
            with pytest.raises(LinkHung):
                await stream.read(0.3)
        await link.close()

    bounded(body())
    for process in psutil.process_iter(["cmdline", "environ"]):
        if process.info["cmdline"] == ["sleep", "300"] and str(sshd.home) in (
            process.info["environ"] or {}
        ).get("HOME", ""):
            process.kill()  # sshd does not signal what a key's own command runs


def test_home_of_the_sessions_is_the_server_s(sshd: Server) -> None:
    # all tests here rely on it: none may write to a real account's home
    async def body() -> None:
        link = await Connector({}).connect(sshd.node())
        assert Path((await link.run('printf %s "$HOME"', timeout_s=10)).text) == sshd.home
        await link.close()

    bounded(body())
