"""The contract of links, tested with the local one and with one over real OpenSSH."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from pathlib import Path

import psutil
import pytest

from fleetctl.errors import AnswerCut, LinkHung
from fleetctl.link.protocol import Link, Terminal
from fleetctl.quoting import quote
from tests.openssh import Server, WithLink, alive, until


def test_stdout_stderr_and_exit_status_are_separate(with_link: WithLink[None]) -> None:
    async def body(link: Link) -> None:
        done = await link.run("echo out; echo err >&2; exit 7", timeout_s=10)
        assert (done.stdout, done.stderr, done.exit_status) == (b"out\n", b"err\n", 7)
        assert (done.text, done.error_text) == ("out\n", "err")

    with_link(body)


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("exit 255", 255),
        ("kill -TERM $$", 143),
        ("kill -KILL $$", 137),
        ("kill -ALRM $$", 142),
        ("sh -c 'kill -INT $$'", 130),
    ],
)
def test_an_end_by_a_signal_is_128_and_its_number(
    with_link: WithLink[None], script: str, status: int
) -> None:
    async def body(link: Link) -> None:
        assert (await link.run(script, timeout_s=10)).exit_status == status

    with_link(body)


def test_stdin_arrives_whole_and_output_of_megabytes_comes_back(
    with_link: WithLink[None],
) -> None:
    async def body(link: Link) -> None:
        payload = os.urandom(3 * 1024 * 1024 + 17)
        done = await link.run("cat", stdin=payload, timeout_s=20, most_bytes=len(payload))
        assert done.stdout == payload
        with pytest.raises(AnswerCut, match=r"more than 2\.0M in answer"):
            await link.run("cat", stdin=payload, timeout_s=20)
        with pytest.raises(AnswerCut, match=r"more than 1\.0K in answer"):
            await link.run("while :; do echo y >&2; done", timeout_s=20, most_bytes=1024)
        secret = await link.run("read word; echo ${#word}", stdin=b"s3cr3t\n", timeout_s=10)
        assert secret.text == "6\n"

    with_link(body)


def test_a_script_need_not_read_its_stdin(with_link: WithLink[None]) -> None:
    async def body(link: Link) -> None:
        done = await link.run("exec <&-; echo done", stdin=b"x" * 1_000_000, timeout_s=10)
        assert done.text == "done\n"

    with_link(body)


def test_without_a_payload_stdin_is_at_its_end(with_link: WithLink[None]) -> None:
    async def body(link: Link) -> None:
        assert (await link.run("cat; echo end", timeout_s=10)).text == "end\n"

    with_link(body)


def test_without_an_end_mark_every_byte_comes_at_once(with_link: WithLink[None]) -> None:
    async def body(link: Link) -> None:
        async with link.stream("cat; exit 3", unmarked=True) as stream:
            for byte in (b"\x1e", b"a", b"\x1efleetctl"):
                stream.write(byte)
                await stream.drain(10)
                assert await stream.read(10) == byte
            stream.write_eof()
            assert await stream.read(10) == b""
            assert stream.exit_status == 3

    with_link(body)


def test_what_is_written_waits_until_the_node_takes_it(with_link: WithLink[None]) -> None:
    async def body(link: Link) -> None:
        async with link.stream("read line; cat | wc -c", unmarked=True) as stream:
            piece = b"x" * 1024 * 1024
            stream.write(b"go\n")
            for _ in range(8):
                stream.write(piece)
                await stream.drain(10)
            stream.write_eof()
            assert int(await stream.read(10)) == 8 * len(piece)
        async with link.stream("echo on; while :; do sleep 1; done") as stream:
            assert await stream.read(10) == b"on\n"
            with pytest.raises(LinkHung, match=r"nothing was taken within 0\.2 s"):
                for _ in range(8):
                    stream.write(piece)
                    await stream.drain(0.2)
        async with link.stream("exit 4") as stream:
            assert await stream.read(10) == b""
            for _ in range(8):  # and nobody will ever take it
                stream.write(piece)
                await stream.drain(10)
            assert stream.exit_status == 4

    with_link(body)


def test_scripts_run_in_the_home_folder(with_link: WithLink[None]) -> None:
    async def body(link: Link) -> None:
        home = os.environ["HOME"]
        done = await link.run('printf %s "$HOME"', timeout_s=10)
        assert done.text == home
        if link.address is None:  # over SSH the folder is the account's, not HOME's
            assert (await link.run("pwd", timeout_s=10)).text == f"{home}\n"

    with_link(body)


def test_awkward_text_arrives_exactly(with_link: WithLink[None]) -> None:
    awkward = "a 'b' \"c\" `d` $(e) $F \\n !g * \n — ü 🦊 \x01 -x"

    async def body(link: Link) -> None:
        done = await link.run(f"printf %s {quote(awkward)}", timeout_s=10)
        assert done.text == awkward

    with_link(body)


def test_a_command_that_hangs_times_out_and_is_ended(with_link: WithLink[None]) -> None:
    async def body(link: Link) -> None:
        pid_file = Path(os.environ["HOME"]) / f"hanging-{link.address}"
        started = time.monotonic()
        with pytest.raises(LinkHung, match=r"^pi4: a command did not end within 0\.5 s") as caught:
            await link.run(f"echo $$ >{quote(str(pid_file))}; sleep 300; sleep 300", timeout_s=0.5)
        assert time.monotonic() - started < 5
        assert caught.value.code == "ssh-hung"
        pid = int(pid_file.read_text())
        await until(lambda: not alive(pid), "the hanging script is gone")
        assert (await link.run("echo next", timeout_s=10)).text == "next\n"

    with_link(body)


def test_a_stream_gives_output_as_it_comes_and_takes_input(with_link: WithLink[None]) -> None:
    async def body(link: Link) -> None:
        script = 'echo ready; while read line; do echo "<$line>"; done; echo bye >&2; exit 3'
        async with link.stream(script) as stream:
            assert await stream.read(10) == b"ready\n"
            assert stream.exit_status is None
            for word in (b"one", b"two"):
                stream.write(word + b"\n")
                assert await stream.read(10) == b"<" + word + b">\n"
            stream.write_eof()
            assert await stream.read(10) == b""
            assert stream.exit_status == 3
            assert stream.stderr == b"bye\n"
            stream.write(b"not read by the script")
            stream.write_eof()

    with_link(body)


def test_a_silent_stream_hangs_and_can_be_read_later(with_link: WithLink[None]) -> None:
    async def body(link: Link) -> None:
        async with link.stream("read go; echo gone; cat >/dev/null") as stream:
            for _ in range(2):
                with pytest.raises(LinkHung, match=r"^pi4: nothing came within 0\.1 s"):
                    await stream.read(0.1)
            stream.write(b"\n")
            assert await stream.read(10) == b"gone\n"

    with_link(body)


def test_the_end_of_a_stream_ends_what_it_ran(with_link: WithLink[None]) -> None:
    async def body(link: Link) -> None:
        async with link.stream("echo $$; sleep 300 & wait") as stream:
            pid = int(await stream.read(10))
            children = psutil.Process(pid).children()
            await until(lambda: psutil.Process(pid).children(), "sleep runs")
            children = psutil.Process(pid).children()
        await until(
            lambda: not any(map(alive, [pid, *(c.pid for c in children)])),
            "everything of the stream is gone",
        )

    with_link(body)


def test_a_script_that_waits_on_stdin_sees_its_end(
    with_link: WithLink[None],
) -> None:
    async def body(link: Link) -> None:
        # it ignores TERM, so only the end of its stdin ends it
        async with link.stream("trap '' TERM; echo $$; cat >/dev/null") as stream:
            pid = int(await stream.read(10))
        await until(lambda: not alive(pid), "the script is gone")

    with_link(body)


def test_a_fast_stream_that_is_read_slowly_arrives_whole(with_link: WithLink[None]) -> None:
    async def body(link: Link) -> None:
        size = 24 * 1024 * 1024  # more than all buffers on the way
        received = 0
        async with link.stream(f"head -c {size} /dev/zero") as stream:
            while data := await stream.read(20):
                received += len(data)
                assert not data.strip(b"\0")
                await asyncio.sleep(0)
            assert (received, stream.exit_status) == (size, 0)

    with_link(body)


def test_many_scripts_run_at_once(with_link: WithLink[None]) -> None:
    async def body(link: Link) -> None:
        done = await asyncio.gather(
            *(link.run(f"echo {i}; exit {i}", timeout_s=20) for i in range(30))
        )
        assert [(d.text, d.exit_status) for d in done] == [(f"{i}\n", i) for i in range(30)]

    with_link(body)


async def _shown(terminal: Terminal, until_text: bytes) -> bytes:
    """The output of a terminal up to and including ``until_text``."""
    shown = b""
    while until_text not in shown:
        data = await asyncio.wait_for(terminal.read(), 10)
        assert data, f"the terminal ended after {shown!r}"
        shown += data
    return shown


async def _rest(terminal: Terminal) -> bytes:
    shown = b""
    while data := await asyncio.wait_for(terminal.read(), 10):
        shown += data
    return shown


def test_a_terminal_has_type_size_and_resizes(with_link: WithLink[None]) -> None:
    script = """tty >/dev/null && echo "is $TERM"; stty size
trap 'stty size; exit 4' WINCH; echo armed; while :; do sleep 0.05; done"""

    async def body(link: Link) -> None:
        async with link.terminal(script, term="xterm-kitty", columns=101, rows=37) as terminal:
            assert await _shown(terminal, b"armed\r\n") == b"is xterm-kitty\r\n37 101\r\narmed\r\n"
            assert terminal.exit_status is None
            terminal.resize(90, 20)
            assert await _rest(terminal) == b"20 90\r\n"
            assert terminal.exit_status == 4
            terminal.resize(80, 24)  # a window may change its size at any time

    with_link(body)


def test_keys_typed_in_a_terminal_arrive_and_ctrl_c_interrupts(with_link: WithLink[None]) -> None:
    async def body(link: Link) -> None:
        script = """trap 'exit 9' INT; stty -echo; echo go
read word; echo "[$word]"; while :; do read word; done"""
        async with link.terminal(script, term="xterm", columns=80, rows=24) as terminal:
            await _shown(terminal, b"go\r\n")
            terminal.write("grüße\r".encode())
            assert await _shown(terminal, b"]\r\n") == "[grüße]\r\n".encode()
            terminal.write(b"\x03")
            await _rest(terminal)
            assert terminal.exit_status == 9

    with_link(body)


def test_a_long_paste_into_a_terminal_arrives_whole(with_link: WithLink[None]) -> None:
    size = 200_000

    async def body(link: Link) -> None:
        script = f"stty raw -echo; echo go; head -c {size} | cksum; exit 5"
        async with link.terminal(script, term="xterm", columns=80, rows=24) as terminal:
            await _shown(terminal, b"go\n")
            terminal.write(b"0123456789" * (size // 10))
            assert f" {size}".encode() in await _rest(terminal)
            assert terminal.exit_status == 5

    with_link(body)


def test_typing_does_not_block_the_event_loop(with_link: WithLink[None]) -> None:
    async def body(link: Link) -> None:
        # it reads nothing, so typed bytes accumulate
        script = "stty raw -echo; echo go; sleep 300"
        async with link.terminal(script, term="xterm", columns=80, rows=24) as terminal:
            await _shown(terminal, b"go\n")
            started = time.monotonic()
            terminal.write(b"x" * 200_000)
            assert time.monotonic() - started < 2
            assert (await link.run("echo alive", timeout_s=10)).text == "alive\n"

    with_link(body)


def test_leaving_a_terminal_ends_what_it_ran(with_link: WithLink[None]) -> None:
    async def body(link: Link) -> None:
        script = "echo $$; sleep 300; :"
        async with link.terminal(script, term="xterm", columns=80, rows=24) as terminal:
            pid = int((await _shown(terminal, b"\r\n")).split()[0])
        await until(lambda: not alive(pid), "the script is gone")

    with_link(body)


def test_a_connection_is_made_by_the_node(with_link: WithLink[None]) -> None:
    async def body(link: Link) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write((await reader.readline()).upper())
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await link.open_connection("127.0.0.1", port, timeout_s=10)
            writer.write(b"hello\n")
            assert await asyncio.wait_for(reader.read(100), 10) == b"HELLO\n"
            writer.close()

    with_link(body)


def test_a_connection_that_the_node_cannot_make_is_an_os_error(
    with_link: WithLink[None],
) -> None:
    async def body(link: Link) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            with pytest.raises(OSError, match=r"Connect(ion refused|.* failed)"):
                await link.open_connection("127.0.0.1", closed.getsockname()[1], timeout_s=10)

    with_link(body)


def test_a_connection_that_is_not_accepted_ends_at_its_deadline(with_link: WithLink[None]) -> None:
    async def body(link: Link) -> None:
        with full_backlog() as address:
            started = time.monotonic()
            with pytest.raises(OSError):  # TimeoutError is a subclass, without a message
                await link.open_connection(*address, timeout_s=0.3)
            assert time.monotonic() - started < 5

    with_link(body)


class full_backlog:
    """A listening loopback address with a full queue: connecting there gets no answer."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._address = (host, port)

    def __enter__(self) -> tuple[str, int]:
        self._listener = socket.socket()
        self._listener.bind(self._address)
        self._listener.listen(0)
        address: tuple[str, int] = self._listener.getsockname()
        self._waiting = []
        for _ in range(4):
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex(address)
            self._waiting.append(waiting)
        return address

    def __exit__(self, *_: object) -> None:
        for sock in (*self._waiting, self._listener):
            sock.close()


def test_an_ssh_link_has_its_address_and_connect_time(
    sshd: Server, with_link: WithLink[None]
) -> None:
    async def body(link: Link) -> None:
        assert link.node == "pi4"
        assert not link.closed
        if link.address is not None:
            assert link.address == "127.0.0.1"
            assert link.connect_ms is not None
            assert 0 < link.connect_ms < 5000
        await link.close()
        await link.close()

    with_link(body)


def test_both_streams_are_read_as_they_come_and_whole(with_link: WithLink[None]) -> None:
    flood = "head -c 3000000 /dev/zero"

    async def body(link: Link) -> None:
        script = f"echo err >&2; read go; echo out; {flood}; {flood} >&2; exit 7"
        async with link.stream(script, both=True) as stream:
            assert await stream.read_both() == (b"", b"err\n")
            stream.write(b"go\n")
            stdout = stderr = b""
            while any(said := await stream.read_both()):
                stdout, stderr = stdout + said[0], stderr + said[1]
            assert stream.exit_status == 7
        assert stdout == b"out\n" + bytes(3000000)
        assert stderr == bytes(3000000)

    with_link(body)


def test_leaving_a_stream_of_both_ends_a_script_that_floods_it(with_link: WithLink[None]) -> None:
    async def body(link: Link) -> None:
        async with link.stream("echo $$; exec cat /dev/zero >&2", both=True) as stream:
            said = b""
            while not said.endswith(b"\n"):
                said += (await stream.read_both())[0]
        await until(lambda: not alive(int(said)), "it has ended")

    with_link(body)
