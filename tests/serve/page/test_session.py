"""The process of one dashboard; small programs speak as Textual's web driver does."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable

import psutil
import pytest

from fleetctl.serve.page import session
from fleetctl.serve.page.session import Session, environment, within

SPEAKS = """
import os, sys
def say(kind, content): os.write(1, kind + len(content).to_bytes(4, "big") + content)
os.write(1, b"__GANGLION__\\n")
"""
ECHOES = f"""{SPEAKS}
say(b"D", (os.environ["COLUMNS"] + "x" + os.environ["ROWS"]).encode())
while head := os.read(0, 5):
    content = os.read(0, int.from_bytes(head[1:], "big"))
    if b"quit" in content:
        say(b"M", b'{{"type": "exit"}}')
        break
    say(b"D", head[:1] + content)
"""
STUBBORN = f"""{SPEAKS}
import signal, subprocess
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen(["sleep", "4731"])
say(b"D", b"here")
while True: signal.pause()
"""


class Shown:
    """What was drawn."""

    def __init__(self, program: str) -> None:
        self.drawn = b""
        self.session = Session([sys.executable, "-c", program], self.draw)

    async def draw(self, content: bytes) -> None:
        self.drawn += content

    async def until(self, condition: Callable[[], object]) -> None:
        deadline_s = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline_s, self.drawn
            await asyncio.sleep(0.02)


def test_keys_go_there_and_the_screen_comes_back() -> None:
    async def body() -> None:
        shown = Shown(ECHOES)
        running = asyncio.create_task(shown.session.run(120, 10_000))
        await shown.until(lambda: b"120x200" in shown.drawn)
        await shown.session.type("é")
        await shown.until(lambda: "Dé".encode() in shown.drawn)
        await shown.session.resize("wide", -3)
        await shown.until(lambda: b'"width": 20, "height": 8' in shown.drawn)
        await shown.session.end()
        assert await running == ""
        await shown.session.type("nobody hears it")

    asyncio.run(body())


def test_one_that_does_not_end_is_killed_with_all_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "END_S", 0.2)
    monkeypatch.setattr(session, "KILL_S", 0.2)

    async def body() -> None:
        shown = Shown(STUBBORN)
        running = asyncio.create_task(shown.session.run(80, 24))
        await shown.until(lambda: b"here" in shown.drawn)
        all_ = psutil.Process().children(recursive=True)
        child = next(p for p in all_ if p.name() == "sleep" and "4731" in p.cmdline())
        await shown.session.end()
        assert await running == ""
        await shown.until(lambda: not child.is_running() or child.status() == "zombie")

    asyncio.run(body())


def test_one_that_takes_no_keys_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "TAKE_S", 0.2)
    monkeypatch.setattr(session, "END_S", 0.2)
    monkeypatch.setattr(session, "KILL_S", 0.2)

    async def body() -> None:
        shown = Shown(STUBBORN.replace("4731", "4732"))
        running = asyncio.create_task(shown.session.run(80, 24))
        await shown.until(lambda: b"here" in shown.drawn)
        async with asyncio.timeout(20):
            with pytest.raises(TimeoutError):
                while True:
                    await shown.session.type("x" * 65536)
            await shown.session.end()
            assert await running == ""

    asyncio.run(body())


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("import sys; sys.exit('nodes.yaml is wrong')", "nodes.yaml is wrong"),
        ("print('hello')", "it ended with status 0"),
        (f"{SPEAKS}\nsay(b'D', b'x'); sys.exit('a mistake')", "a mistake"),
        (f"{SPEAKS}\nos.write(1, b'D' + b'\\xff' * 4); sys.stdin.read()", ""),
    ],
)
def test_why_it_is_not_shown(program: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "END_S", 0.2)

    async def body() -> None:
        assert await Shown(program).session.run(80, 24) == why

    asyncio.run(body())


def test_what_is_no_program_raises() -> None:
    async def body() -> None:
        with pytest.raises(OSError):
            await Session(["/nowhere/fleetctl"], Shown("").draw).run(80, 24)

    asyncio.run(body())


def test_its_environment_is_that_of_a_terminal() -> None:
    here = {"HOME": "/h", "NO_COLOR": "1", "FLEETCTL_DEMO": "/d", "TEXTUAL": "debug", "LINES": "3"}
    found = environment(here, 100, 30)
    assert found["HOME"] == "/h"
    assert not {"NO_COLOR", "FLEETCTL_DEMO", "TEXTUAL", "LINES"} & set(found)
    assert (found["COLUMNS"], found["ROWS"]) == ("100", "30")
    assert [within(size, "width") for size in (0, 10**9, None, "7", 90)] == [20, 500, 20, 20, 90]
