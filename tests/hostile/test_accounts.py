"""Real OpenSSH, with start-up files and shells of accounts that get in the way."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from fleetctl.errors import AnswerCut, LaunchError
from fleetctl.health.machine_problems import node_problems
from fleetctl.launch.birth import Birth
from fleetctl.launch.secrets import Secrets
from fleetctl.link.protocol import Link
from fleetctl.model.facts import CUT_OFF
from fleetctl.model.questions import Questions
from fleetctl.model.status import Problem
from fleetctl.model.write_refusals import write_refusal
from fleetctl.observe.conversation import converse
from fleetctl.observe.look import look
from fleetctl.probes.node import node_script, services_script
from tests.launch.jobs import instance
from tests.openssh import Server, bounded

MakeServer = Callable[..., Server]


@contextmanager
def start_up(server: Server, text: str) -> Iterator[None]:
    """bash reads it also for a command, if it is started by sshd."""
    file = server.home / ".bashrc"
    file.write_text(text)
    try:
        yield
    finally:
        file.unlink()


async def _open(server: Server) -> Link:
    return await server.links().get("pi4")


CHILD = 'sleep 600 & echo $! >"$HOME/child"\n'


@pytest.fixture
def with_child(make_sshd: MakeServer) -> Iterator[Server]:
    """A start-up file leaves a child behind that holds stdout and stderr open."""
    server = make_sshd()
    with start_up(server, CHILD):
        yield server
    for process in psutil.process_iter():
        if process.pid in _children(server):
            process.kill()


def _children(server: Server) -> list[int]:
    file = server.home / "child"
    return [int(word) for word in file.read_text().split()] if file.exists() else []


def test_an_answer_counts_though_a_child_holds_the_channel_open(
    with_child: Server, client_home: Path
) -> None:
    async def body() -> None:
        link = await _open(with_child)
        began = time.monotonic()
        done = await link.run("echo out; echo err >&2; cat; exit 3", stdin=b"in", timeout_s=20)
        assert (done.stdout, done.stderr, done.exit_status) == (b"out\nin", b"err\n", 3)
        async with link.stream("printf 'no end'; exit 4", both=True) as stream:
            said = b""
            while any(both := await stream.read_both()):
                said += both[0]
            assert (said, stream.exit_status) == (b"no end", 4)
        async with link.stream("cat; echo end >&2; exit 5") as stream:
            stream.write(b"given")
            stream.write_eof()
            assert await stream.read(5) + await stream.read(5) == b"given"
            assert (stream.stderr, stream.exit_status) == (b"end\n", 5)
        facts = await look(link, node_script(Questions("f", "pi4")))
        assert facts.system
        assert not any(why == CUT_OFF for why in facts.unknown.values())
        assert time.monotonic() - began < 10
        await link.close()

    bounded(body())


@pytest.mark.parametrize("by", ["kill -9 $$", "kill -9 $PPID"])
def test_a_shell_that_dies_in_the_midst(sshd: Server, client_home: Path, by: str) -> None:
    """Its own, or the one around it."""

    async def body() -> None:
        link = await _open(sshd)
        script = node_script(Questions("f", "pi4"))
        first = script.text.index("( ")
        torn = f"{script.text[:first]}\n{by}\n{script.text[first:]}"
        try:
            done = await link.run(torn, timeout_s=20)
            assert done.exit_status == 137
        except AnswerCut as cut:
            assert "the shell there ended with status 137" in cut.reason
        await link.close()

    bounded(body())


def test_long_scripts_with_quotes_fit(sshd: Server, client_home: Path) -> None:
    async def body() -> None:
        link = await _open(sshd)
        quotes = "\"'" * 15_000
        done = await link.run(f"cat <<'E'\n{quotes}\nE\ncat", stdin=b"stdin", timeout_s=20)
        assert done.stdout.decode() == f"{quotes}\nstdin"
        async with link.stream(f": {'x' * 300_000}\ncat; exit 5", both=True) as stream:
            stream.write(b"given")
            stream.write_eof()
            assert await stream.read_both() == (b"given", b"")
        await link.close()

    bounded(body())


def test_a_start_up_file_that_eats_of_a_long_script_is_told(
    make_sshd: MakeServer, client_home: Path
) -> None:
    server = make_sshd()

    async def body() -> None:
        link = await _open(server)
        with pytest.raises(AnswerCut, match="less of the command arrived than was sent"):
            await link.run("touch ran; :" + "x" * 200_000, timeout_s=20)
        await link.close()

    with start_up(server, "head -c 1000 >/dev/null\n"):
        bounded(body())
    assert not (server.home / "ran").exists()


def test_a_start_up_file_that_asks_a_question_stops_no_conversation(
    make_sshd: MakeServer, client_home: Path
) -> None:
    server = make_sshd()

    async def body() -> None:
        link = await _open(server)
        scripts = {"services": services_script("fleet", "pi4")}
        async with converse(link, "fleet", scripts, lambda: None) as talk:
            for _ in range(2):
                facts = (await talk.ask("services")).facts()
                assert facts.panes == ()
                assert CUT_OFF not in facts.unknown.values()
        await link.close()

    with start_up(server, "read -r answer\n"):
        bounded(body())


# what a start needs


async def _start(server: Server) -> None:
    one = instance(node="pi4", command="touch ran")
    link = await _open(server)
    birth = Birth("fleet", link, Secrets([one]))
    try:
        await birth.start(one)
    finally:
        birth.close()
        await link.close()


@pytest.mark.parametrize(
    "text", ["read -r answer\n", "cat >/dev/null\n", "head -c 40 >/dev/null\n"]
)
def test_a_start_up_file_that_reads_stdin_is_the_reason_why_nothing_is_started(
    make_sshd: MakeServer, client_home: Path, text: str
) -> None:
    server = make_sshd()
    with start_up(server, text), pytest.raises(LaunchError) as caught:
        bounded(_start(server))
    assert "less of what it is to run arrived on pi4 than was sent" in str(caught.value)
    assert "start-up files" in caught.value.hint
    left = [path.name for path in server.home.rglob("*") if path.is_file()]
    assert "spec" not in left
    assert "ran" not in left


@pytest.mark.skipif(os.geteuid() != 0, reason="a folder that belongs to root is made by root")
def test_a_folder_of_roots_is_told_before_and_at_the_start(
    make_sshd: MakeServer, client_home: Path
) -> None:
    server = make_sshd()
    (server.home / ".local").mkdir(mode=0o755)

    async def problems() -> list[Problem]:
        link = await _open(server)
        facts = await look(link, node_script(Questions("fleet", "pi4")))
        await link.close()
        return list(node_problems(server.node(), facts, None))

    [problem] = [p for p in bounded(problems()) if p.code == "state-unwritable"]
    assert f"pi4 cannot write in {server.home}/.local" in problem.summary
    assert "Permission denied (it belongs to root)" in problem.summary
    assert "sudo chown" in problem.summary
    with pytest.raises(LaunchError) as caught:
        bounded(_start(server))
    assert caught.value.code == "state-unwritable"
    assert "Permission denied" in caught.value.reason
    assert "sudo chown" in caught.value.hint
    (server.home / ".local").rmdir()
    (server.home / ".local").write_text("a file")
    [problem] = [p for p in bounded(problems()) if p.code == "state-unwritable"]
    assert "Not a directory" in problem.summary


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        ("cat: write error: No space left on device", "disk-full", "df -h"),
        ("mkdir: cannot create directory: Disk quota exceeded", "disk-full", "df -h"),
        ("mkdir: cannot create: Read-only file system", "state-unwritable", "mounted read-only"),
        ("mkdir: .local/state: Permission denied", "state-unwritable", "sudo chown"),
        ("mkdir: .local: Not a directory", "state-unwritable", "Move away"),
        ("", "state-unwritable", "must own"),
    ],
)
def test_words_fit_the_reason(said: str, code: str, words: str) -> None:
    told = write_refusal("pi4", said)
    assert told.code == code
    assert words in told.hint
