"""A shell that answers again and again, on this machine."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Mapping
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from fleetctl.errors import LinkError, LinkHung
from fleetctl.link.local import LocalLink
from fleetctl.model.questions import Questions
from fleetctl.model.topology import OSES
from fleetctl.observe import conversation
from fleetctl.observe.conversation import converse
from fleetctl.probes.node import NodeScript, node_script, services_script
from fleetctl.probes.script import Texts, compose, read
from tests.launch.conftest import alive, eventually

_T = TypeVar("_T")

QUESTIONS = Questions(
    fleet="fleet", node="here", echoes={IPv4Address("127.0.0.1"): None}, forwards=True
)


def bounded(body: Awaitable[_T]) -> _T:
    return asyncio.run(asyncio.wait_for(body, 30))


def of(**texts: str) -> Mapping[str, NodeScript]:
    """Scripts of probes that print the given texts."""
    script = compose(dict.fromkeys(OSES, Texts(texts)))
    return {"it": NodeScript(script, QUESTIONS, "services", ())}


class State:
    """The record of an instance."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write("running")

    def write(self, phase: str, pid: int = os.getpid()) -> None:
        self.path.write_text(f"run=1\nphase={phase}\npid={pid}\n")

    def mark_ready(self) -> None:
        (self.path.parent / "ready").write_text("1\n")

    def write_health(self, line: str) -> None:
        (self.path.parent / "health").write_text(f"{line}\n")


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    """The record of an instance in a separate home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".local/state/fleetctl/fleet/job/worker@here"
    folder.mkdir(parents=True)
    return State(folder / "state")


def test_the_same_question_is_answered_again_and_again(state: State) -> None:
    scripts = {"status": node_script(QUESTIONS), "services": services_script("fleet", "here")}

    async def body() -> None:
        async with converse(LocalLink("here"), "fleet", scripts, lambda: None) as talk:
            for _ in range(3):
                facts = (await talk.ask("status")).facts()
                assert facts.unknown == {}
                assert facts.system is not None
                assert facts.network.echoes[IPv4Address("127.0.0.1")].received == 1
                assert (await talk.ask("services")).facts().system is None

    bounded(body())


def test_the_node_reports_a_change_by_itself(state: State) -> None:
    told: list[float] = []

    async def body() -> None:
        came = asyncio.Event()

        def noticed() -> None:
            told.append(time.monotonic())
            came.set()

        async def next_change() -> None:
            came.clear()
            await asyncio.wait_for(came.wait(), 5)

        scripts = of(a="echo $$")
        async with converse(LocalLink("here"), "fleet", scripts, noticed) as talk:
            await asyncio.wait_for(came.wait(), 5)  # the first look counts as one
            answer, _ = await talk.words("it")
            shell = int(read(scripts["it"].script, answer).by_name["a"].text)
            state.write("backoff")
            await next_change()
            state.write("backoff", pid=999999999)  # its process is gone
            await next_change()
            state.mark_ready()
            await next_change()
            state.write_health("0a 0 1 failing 1 1 1000 x:1 refused the connection")
            await next_change()
            count = len(told)
            state.write("backoff", pid=999999999)  # written again, unchanged
            seen = pauses(shell)
            while len(seen) < 4:  # so it has looked at least twice since then
                seen |= pauses(shell)
                await asyncio.sleep(0.01)
            assert len(told) == count

    bounded(body())


def pauses(shell: int) -> set[int]:
    """The ``sleep`` processes of a conversation's shell."""
    found = [p for child in psutil.Process(shell).children() for p in child.children()]
    return {p.pid for p in found}


def test_a_change_in_the_middle_of_an_answer_leaves_the_answer_whole(state: State) -> None:
    """The probe prints in pieces, and changes are reported in between."""
    line = "for i in 1 2 3 4 5 6; do printf '%s-' $i; sleep 0.2; done; echo"
    scripts = of(slow=line)
    told: list[int] = []

    def noticed() -> None:
        told.append(1)
        state.write(str(len(told)))  # each report is followed by the next change

    async def body() -> None:
        async with converse(LocalLink("here"), "fleet", scripts, noticed) as t:
            output, _ = await t.words("it")
            assert read(scripts["it"].script, output).by_name["slow"].text == "1-2-3-4-5-6-\n"

    bounded(body())
    assert len(told) > 1


def test_a_probe_that_hangs_ends_the_conversation(
    monkeypatch: pytest.MonkeyPatch, state: State
) -> None:
    monkeypatch.setattr(conversation, "LOOK_TIMEOUT_S", 1.0)
    scripts = of(quick="echo", stuck="sleep 60", late="echo")

    async def body() -> None:
        async with converse(LocalLink("here"), "fleet", scripts, lambda: None) as talk:
            with pytest.raises(LinkHung):
                await talk.ask("it")
            with pytest.raises(LinkHung):  # nothing else is answered while it hangs
                await talk.ask("it")

    bounded(body())


def test_it_leaves_no_process_on_the_node(state: State) -> None:
    """Also if the shell itself is killed, and cannot end the others."""
    pids = state.path.parent / "pids"
    scripts = of(a=f"echo $$ >{pids}")

    def processes() -> list[int]:
        shell = int(pids.read_text())
        children = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
        return [shell, *map(int, children)]

    async def body(*, kill: bool) -> list[int]:
        async with converse(LocalLink("here"), "fleet", scripts, lambda: None) as talk:
            await talk.ask("it")
            found = processes()
            if kill:
                os.kill(found[0], 9)
                with pytest.raises(LinkError):
                    await talk.ask("it")
            return found

    for kill in (False, True):
        for pid in bounded(body(kill=kill)):
            eventually(partial(gone, pid), f"process {pid} is gone")


def gone(pid: int) -> bool:
    return not alive(pid)
