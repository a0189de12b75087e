"""Whatever a node says to whatever question: it is read, or is that node's error with a reason."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fleetctl.env_file import parse_env
from fleetctl.errors import AnswerCut, FleetctlError
from fleetctl.launch.birth import Birth
from fleetctl.launch.secrets import Secrets
from fleetctl.link.protocol import ANSWER_BYTES, Completed
from fleetctl.logs.follow import follow
from fleetctl.logs.lines import Framer, TimeIndex, shown, tidy_lines
from fleetctl.logs.segments import LogLocation, LogReader, read_index
from fleetctl.model.questions import Questions
from fleetctl.noting.scripts import read_notes
from fleetctl.observe.conversation import converse
from fleetctl.observe.look import look
from fleetctl.probes.node import node_script, read_raw, services_script
from fleetctl.probes.registry import PROBES
from fleetctl.probes.setup import read_setup, setup_script
from fleetctl.repair.records import read_records
from tests.launch.jobs import instance
from tests.thoroughness import examples

ASKED = Questions("f", "n", "check", instances=(instance(node="n"),))
SCRIPT = node_script(ASKED)
SETUP = setup_script()
PLACE = LogLocation("f", "job", "worker@n")
ONE = instance(node="n")

WORDS = st.sampled_from(
    [
        *("\x1e", "\x1f", "\n", " ", "|", ":", "=", "0", "-1", "9" * 30, "1e999", "NaN", "\x00"),
        *("Linux n x86_64", "Darwin n arm64", "{}", "[]", "null", '{"a":', "\x1b[2J", "\ud800"),
        *("run=", "phase=running", "next 0", "windows", "tmux 3.3a", "0 0", "fleetctl", "\ufffd"),
    ]
)
TOKENS = st.sampled_from(["TOKEN uname 0\n", "TOKEN end 0\n", "TOKEN errors\n", "TOKEN change\n"])
FRAMES = st.sampled_from([f"TOKEN {p.name} {n}\n" for p in PROBES for n in (0, 1, 127)])
TEXTS = st.lists(
    st.one_of(WORDS, st.text(max_size=20), TOKENS, FRAMES.map("\n\x1e".__add__)), max_size=25
).map("".join)
BYTES = TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass"))
QUICK = settings(max_examples=examples(150), deadline=None)


def _with(token: str, text: str) -> str:
    return text.replace("TOKEN", token)


@QUICK
@given(TEXTS, TEXTS)
def test_the_answers_of_probes(output: str, errors: str) -> None:
    token = SCRIPT.script.token
    output, errors = _with(token, output), _with(token, errors)
    output = f"Linux n x86_64\n\n\x1e{token} uname 0\n{output}"

    async def body() -> None:
        link: Any = Saying(output.encode("utf-8", "replace"), errors.encode("utf-8", "replace"), 0)
        facts = await look(link, SCRIPT)
        assert facts.unknown

    asyncio.run(body())
    read_raw(SCRIPT, output)
    read_setup(SETUP, _with(SETUP.token, output))


class Saying:
    """A link to a node that says the same to everything."""

    node = "n"

    def __init__(self, stdout: bytes, stderr: bytes, status: int) -> None:
        self._done = Completed(stdout, stderr, status)

    async def run(
        self, script: str, *, stdin: bytes = b"", timeout_s: float, most_bytes: int = ANSWER_BYTES
    ) -> Completed:
        return self._done

    @asynccontextmanager
    async def stream(
        self, script: str, *, both: bool = False, unmarked: bool = False
    ) -> AsyncIterator[Saying]:
        self._left = [self._done.stdout]
        yield self

    async def begun(self) -> None:
        pass

    async def read(self, timeout_s: float | None = None) -> bytes:
        return self._left.pop() if self._left else b""

    def write(self, data: bytes) -> None:
        pass

    write_eof = begun  # never called

    @property
    def stderr(self) -> bytes:
        return self._done.stderr


async def _log(link: Any) -> None:
    reader = LogReader(PLACE, 0)
    await reader.more(link)
    await read_index(link, PLACE, 0)


async def _converse(link: Any) -> None:
    scripts = {"services": services_script("f", "n")}
    async with converse(link, "f", scripts, lambda: None) as talk:
        await talk.ask("services")


async def _start(link: Any) -> None:
    birth = Birth("f", link, Secrets([ONE]))
    try:
        await birth.start(ONE)
    finally:
        birth.close()


async def _follow(link: Any) -> None:
    class Links:
        async def get(self, node: str, lane: int = 0) -> Any:
            return link

    links: Any = Links()
    async for _ in follow(PLACE, "n", links, 0, torn=True):
        return


@pytest.mark.parametrize("does", [_log, _converse, _start, _follow])
@settings(max_examples=examples(60), deadline=None)
@given(said=BYTES, errors=BYTES, status=st.sampled_from([0, 1, 61, 62, 63, 64, 65, 127, 137, 255]))
@example(said=b"", errors=b"", status=0)
@example(said=b"one line", errors=b"", status=0)
@example(said=b"9" * 5000 + b" 0\n", errors=b"", status=0)
def test_what_else_a_node_is_asked(
    does: Callable[[Any], Any], said: bytes, errors: bytes, status: int
) -> None:
    async def body() -> None:
        try:
            async with asyncio.timeout(10):
                await does(Saying(said, errors, status))
        except FleetctlError as error:
            assert str(error)

    asyncio.run(body())


@QUICK
@given(BYTES, st.integers(1, 7))
def test_logs(data: bytes, size: int) -> None:
    framer = Framer(0)
    lines = b""
    for place in range(0, len(data), size):
        lines += framer.feed(data[place : place + size])[1]
    assert data.startswith(lines)
    tidy_lines(data)
    for line in data.split(b"\n"):
        assert "\x1b]" not in shown(line)
    TimeIndex(data.decode("ascii", "replace"), 0.0).at(5)


@QUICK
@given(TEXTS)
@example("\x1ea.json\n" + json.dumps({"node": 1}))
@example("\x1ea.json\n" + "[" * 100_000)
@example('\x1ea.json\n{"x":' + "[" * 100_000)
@example("\x1ea.json\n\ud800")
def test_records_of_repairs(text: str) -> None:
    assert all(kept.record for kept in read_records(text))


@QUICK
@given(TEXTS)
@example("1\n:9\n" + '{"x":' + "[" * 100_000)
@example("9" * 5000 + "\n:9\n{}")
@example("²\n:9\n{}")
def test_notes_of_actions(text: str) -> None:
    told = read_notes(text, "", 0.0)
    assert bool(told.error) != bool(told.size)


@QUICK
@given(TEXTS)
def test_an_env_file(text: str) -> None:
    try:
        parse_env(text, "env")
    except FleetctlError as error:
        assert str(error).startswith("env")


def test_a_conversation_with_a_flood_ends() -> None:
    class Flooding(Saying):
        async def read(self, timeout_s: float | None = None) -> bytes:
            await asyncio.sleep(0)
            return b"y" * 64 * 1024

    async def body() -> None:
        with pytest.raises(AnswerCut, match="it sent more than"):
            await _converse(Flooding(b"", b"", 0))

    asyncio.run(body())
