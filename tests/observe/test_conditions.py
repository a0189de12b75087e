"""Ready conditions that are asked for: which bytes of a log are read, how often, and what of that
is noted on the node."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from fleetctl.errors import LinkError
from fleetctl.link.local import LocalLink
from fleetctl.link.ssh.connect import Connector
from fleetctl.logs.segments import PIECE_BYTES
from fleetctl.model.jobs import Instance, Job, Service
from fleetctl.model.ready import Ready
from fleetctl.model.records import Record
from fleetctl.observe import log_search
from fleetctl.observe.asking import Unasked, answers_http
from fleetctl.observe.conditions import Condition
from fleetctl.observe.log_search import LAST_LINE_BYTES, SEARCH_S
from fleetctl.observe.look import look
from fleetctl.probes.node import services_script
from tests.clock import jumping
from tests.launch.jobs import instance
from tests.logs.loggers import write_segments
from tests.openssh import Server, bounded
from tests.scripted import Script
from tests.simulated import FLEET, Log, SimulatedFleet, SimulatedNode

MIB = 1 << 20
UP = "ready in 42 s\n"
READY = r"^ready in \d+ s$"


def filled(size: int) -> bytes:
    """This many bytes of lines that do not match."""
    line = b"." * 999 + b"\n"
    return (line * (size // len(line) + 1))[-size:] if size else b""


class World:
    """One node with one running instance, and controllers that look at it.

    :param slow: reading a piece of the log takes so long that a look reads only one.
    """

    def __init__(self, pattern: str = READY, *, slow: bool = False) -> None:
        self.links = SimulatedFleet(["pi4"])
        self.record = self.node.already_runs(instance())
        if slow:
            self.node.late_s["log"] = SEARCH_S + 0.1
        self.watches_for(pattern)

    def watches_for(self, pattern: str) -> None:
        """Let all looks from now on use this regular expression."""
        self.instance: Instance = instance(ready=Ready("log", pattern))
        job = Job("job", {"worker": Service((), (self.instance,))})
        self.service = self.links.service(job)

    @property
    def node(self) -> SimulatedNode:
        return self.links.node["pi4"]

    @property
    def log(self) -> Log:
        return self.node.log_of(self.instance)

    @property
    def noted(self) -> dict[str, str]:
        """The controllers' notes on the node."""
        return self.node.has(self.instance).files

    def another(self, **more: Any) -> None:
        """Begin another attempt; its output begins here."""
        key = ("job", self.instance.name)
        self.record = replace(self.record, log_start=self.log.end, **more)
        self.node.records[key] = self.record
        (pane,) = self.node.panes.values()
        self.node.panes[pane.window_id] = replace(pane, run=self.record.run)

    async def once(self) -> str:
        """The state by one look of a controller that asks only once."""
        return (await self.service.observe()).services[self.instance.name].state

    async def watch(self) -> AsyncIterator[str]:
        """The states by the looks of a controller that watches; "unknown": its link was lost."""
        async with self.service.watch(2.0, "status") as watching:
            while await watching.news():
                yield watching.snapshot().status.services[self.instance.name].state

    def asked(self) -> list[int]:
        """The offsets from which the log was read."""
        found = (re.search(r" offset=(\d+) ", script.text) for script in self.node.of("log"))
        return [int(match[1]) for match in found if match]

    def read(self) -> list[tuple[int, int]]:
        """Where each piece that was read began and ended."""
        heads = [s.stdout.partition(b"\n")[0].split() for s in self.node.of("log") if s.stdout]
        return [(int(start), int(end)) for start, end in heads]


async def until_ready(states: AsyncIterator[str], looks: int = 20) -> list[str]:
    found: list[str] = []
    async for state in states:
        found.append(state)
        if state == "ready" or len(found) == looks:
            break
    return found


def each_byte_once(read: list[tuple[int, int]]) -> bool:
    ends = [end for _, end in read]
    return [start for start, _ in read] == [0, *ends[:-1]]


# an expression that does not end


@pytest.mark.parametrize("pattern", ["(a|aa)+$", "(.*a){25}c"])
def test_an_expression_that_takes_for_ever_is_given_up_and_told(pattern: str) -> None:
    async def body() -> None:
        world = World(pattern)
        world.log.write(b"a" * 100 + b"b\n" + b"the end\n")
        began = time.process_time()
        for _ in range(3):
            status = (await world.service.observe()).services[world.instance.name]
            assert status.state == "running"
            assert status.reason is not None
            assert "its ready.log takes more than 0.1 s on one line" in status.reason
        assert time.process_time() - began < 3

    jumping(body())


# a watch


@pytest.mark.parametrize("slow", [False, True])
def test_a_watch_finds_a_line_that_is_far_into_the_log(slow: bool) -> None:
    async def body() -> None:
        world = World(slow=slow)
        world.log.write(filled(5 * MIB) + UP.encode() + filled(1000))
        states = await until_ready(world.watch())
        assert states == (["running", "ready"] if slow else ["ready"])
        assert world.read() == [(0, PIECE_BYTES), (PIECE_BYTES, world.log.end)]
        assert world.noted == {"ready": f"{world.record.run} 0"}

    jumping(body())


def test_a_watch_reads_each_byte_once_however_often_it_looks() -> None:
    async def body() -> None:
        world = World()
        states = world.watch()
        for size in (5 * MIB, 0, 100, 0, 0, 3 * MIB, 77):
            world.log.write(filled(size))
            assert await anext(states) == "running"
        world.log.write(UP.encode())
        assert await anext(states) == "ready"
        assert each_byte_once(world.read())
        assert world.read()[-1][1] == world.log.end == 8 * MIB + 177 + len(UP)
        count = len(world.asked())
        for _ in range(5):
            assert await anext(states) == "ready"
        assert len(world.asked()) == count  # it is noted on the node now
        assert "searched" not in world.noted

    jumping(body())


def test_a_line_that_comes_piece_by_piece_is_found_when_it_matches() -> None:
    async def body() -> None:
        world = World()
        states = world.watch()
        for part in ("some\nrea", "dy in ", "4"):
            world.log.write(part.encode())
            assert await anext(states) == "running"
        world.log.write(b"2 s")  # a prompt has no newline
        assert await anext(states) == "ready"
        assert each_byte_once(world.read())

    jumping(body())


@pytest.mark.parametrize("text", [UP, "bereit für 42\r\n"])
@pytest.mark.parametrize("before", range(1, 17, 3))
def test_a_line_that_is_split_between_two_pieces_is_found(text: str, before: int) -> None:
    async def body() -> None:
        world = World(READY if text is UP else "^bereit für 42$")
        world.log.write(filled(PIECE_BYTES - before) + text.encode() + filled(5000))
        assert await until_ready(world.watch()) == ["ready"]
        assert world.read()[0] == (0, PIECE_BYTES)

    jumping(body())


@pytest.mark.parametrize("more", [{"run": "beef"}, {"restarts": 1}], ids=["run", "restart"])
def test_another_attempt_is_searched_from_its_own_beginning(more: dict[str, Any]) -> None:
    async def body() -> None:
        world = World(slow=True)
        world.log.write(filled(9 * MIB))
        states = world.watch()
        assert await anext(states) == "running"
        world.log.write(UP.encode())  # of the former attempt
        world.another(**more)
        assert await anext(states) == "running"
        assert world.asked() == [0, world.log.end]
        world.log.write(UP.encode())
        assert await anext(states) == "ready"
        attempt = f"{world.record.run} {world.record.restarts}"
        assert world.noted == {"ready": attempt}

    jumping(body())


def test_a_line_without_an_end_is_kept_in_part() -> None:
    async def body() -> None:
        world = World(r"ready in \d+ s")
        world.log.write(b"." * (2 * PIECE_BYTES - 8) + b"ready in")
        states = world.watch()
        assert await anext(states) == "running"
        world.log.write(b" 42 s")
        assert await anext(states) == "ready"
        assert each_byte_once(world.read())

    jumping(body())


def test_a_line_is_not_joined_over_a_gap() -> None:
    """The log grew so fast that a part was rotated away unread."""

    async def body() -> None:
        world = World()
        world.log.write(b"ready in ")
        states = world.watch()
        assert await anext(states) == "running"
        world.log.write(filled(1000) + b"17 s\n")
        world.log.rotate(world.log.end - 5)
        assert await anext(states) == "running"
        world.log.write(UP.encode())
        assert await anext(states) == "ready"

    jumping(body())


@pytest.mark.parametrize(
    ("pattern", "printed"),
    [
        (
            "running on http://h:80$",
            "\x1b[32mINFO\x1b[0m: running on \x1b[1mhttp://h:80\x1b[0m\r\n",
        ),
        ("^ready$", "\x1b]0;title\x07\x1b[2K\x1b[1Gready\n"),
        ("^ready$", "10%\r50%\rready\x1b[K\rgone"),
        ("^ready$", "\x1b[32mready\x1b[0m"),
    ],
)
def test_a_line_matches_as_a_person_reads_it(pattern: str, printed: str) -> None:
    async def body() -> None:
        world = World(pattern)
        world.log.write(printed.encode())
        assert await world.once() == "ready"

    jumping(body())


def test_a_colour_that_is_split_between_two_looks_is_still_one() -> None:
    async def body() -> None:
        world = World("^it is ready$")
        states = world.watch()
        world.log.write(b"it is \x1b[3")
        assert await anext(states) == "running"
        world.log.write(b"2mready\x1b[0m\n")
        assert await anext(states) == "ready"

    jumping(body())


# lost links


def test_a_link_that_is_lost_while_a_log_is_searched_loses_nothing() -> None:
    async def body() -> None:
        world = World()
        world.log.write(filled(9 * MIB - 40) + UP.encode())
        world.node.cut_at("log", after=1)
        states = world.watch()
        assert await anext(states) == "running"
        assert world.asked() == [0, PIECE_BYTES]
        assert await anext(states) == "unknown"
        assert await anext(states) == "ready"
        assert world.asked() == [0, PIECE_BYTES, PIECE_BYTES, 2 * PIECE_BYTES]
        assert each_byte_once(world.read())

    jumping(body())


def test_a_link_that_is_lost_once_the_line_is_found_loses_nothing() -> None:
    """It could not be noted, so by the node's facts it is not ready at the next look."""

    async def body() -> None:
        world = World()
        world.log.write(UP.encode() + filled(100))
        world.node.cut_at("note")
        states = world.watch()
        assert await anext(states) == "running"
        assert await anext(states) == "unknown"
        assert await anext(states) == "ready"
        assert "ready" in world.noted

    jumping(body())


def test_a_line_that_cannot_be_noted_makes_ready_all_the_same() -> None:
    """The node's disk is full."""

    async def body() -> None:
        async def full(_: Script) -> int:
            return 1

        world = World()
        world.log.write(UP.encode())
        world.node.answers["note"] = full
        states = world.watch()
        assert [await anext(states) for _ in range(4)] == ["ready"] * 4

    jumping(body())


# controllers that ask only once


def test_one_look_searches_as_much_as_it_has_time_for() -> None:
    async def body() -> None:
        world = World()
        world.log.write(filled(5 * MIB) + UP.encode())
        assert await world.once() == "ready"
        assert world.noted == {"ready": f"{world.record.run} 0"}

    jumping(body())


def test_the_next_look_continues_the_search() -> None:
    async def body() -> None:
        world = World(slow=True)
        world.log.write(filled(5 * MIB) + UP.encode())
        assert await world.once() == "running"
        whole_lines = PIECE_BYTES - len(world.log.data[:PIECE_BYTES].rpartition(b"\n")[2])
        run, restarts, offset, _ = world.noted["searched"].split()
        assert (run, restarts, int(offset)) == (world.record.run, "0", whole_lines)
        assert await world.once() == "ready"
        assert world.asked() == [0, whole_lines]
        assert await world.once() == "ready"
        assert len(world.asked()) == 2

    jumping(body())


def test_looks_read_each_byte_once_and_note_nothing_twice() -> None:
    async def body() -> None:
        world = World(slow=True)
        world.log.write(filled(4 * PIECE_BYTES))
        for _ in range(4):
            assert await world.once() == "running"
        assert len(world.node.of("note")) == 4
        for _ in range(5):
            assert await world.once() == "running"
        assert len(world.node.of("note")) == 5  # unfinished lines leave a rest
        for (_, end), (start, _) in pairwise(world.read()):
            assert end - 1000 < start <= end  # the beginning of an unfinished line is read again
        facts = await look(await world.links.get("pi4"), services_script(FLEET, "pi4"))
        searched = facts.records["job", world.instance.name].searched
        assert int(searched.split()[0]) == world.log.end

    jumping(body())


def test_a_search_for_another_run_restart_or_expression_does_not_count() -> None:
    async def body() -> None:
        world = World(slow=True)
        world.log.write(filled(5 * MIB))
        assert await world.once() == "running"
        world.watches_for("another")
        assert await world.once() == "running"
        assert world.asked() == [0, 0]
        begins: list[int] = []
        for more in ({"restarts": 1}, {"restarts": 2}, {"run": "beef"}):
            world.another(**more)
            begins.append(world.log.end)
            world.log.write(filled(MIB))
            assert await world.once() == "running"
            assert world.asked()[2:] == begins
        world.log.write(b"another\n")
        assert await world.once() == "ready"
        assert begins[-1] < world.asked()[-1]

    jumping(body())


@pytest.mark.parametrize(
    "noted", ["", "{run} 0", "{run} 0 ", "{run} 0 77", "{run} 0 -5 {digest}", "{run} 0 ² {digest}",
              "{run} 0 9 feedbeef", "{run} 00 9 {digest}", "rubbish\x1b[2J"],
)  # fmt: skip
def test_a_note_on_another_search_is_ignored(noted: str) -> None:
    async def body() -> None:
        world = World(slow=True)
        other = World()
        assert await other.once() == "running"
        digest = other.noted["searched"].split()[-1]  # of the same expression
        world.log.write(UP.encode() + filled(100))
        world.noted["searched"] = noted.format(run=world.record.run, digest=digest)
        assert await world.once() == "ready"
        assert world.asked() == [0]

    jumping(body())


def test_of_an_unfinished_line_only_the_kept_part_is_read_again() -> None:
    async def body() -> None:
        world = World(slow=True)
        world.log.write(b"." * (PIECE_BYTES + MIB))
        for _ in range(3):
            assert await world.once() == "running"
        end = world.log.end
        first, second = PIECE_BYTES - LAST_LINE_BYTES, end - LAST_LINE_BYTES
        assert world.asked() == [0, first, second]

    jumping(body())


def test_after_a_look_that_loses_its_link_the_next_goes_on() -> None:
    async def body() -> None:
        world = World(slow=True)
        world.log.write(filled(9 * MIB) + UP.encode())
        assert await world.once() == "running"
        world.node.cut_at("log")
        assert await world.once() == "running"
        assert await world.once() == "running"
        assert await world.once() == "ready"
        first, lost, second, third = world.asked()
        assert first == 0
        assert lost == second > PIECE_BYTES - 1000
        assert third > 2 * PIECE_BYTES - 2000

    jumping(body())


# a real node


@pytest.mark.parametrize("search_s", [0.0, SEARCH_S])
def test_a_line_that_is_far_into_a_real_log_is_found_by_the_second_look(
    search_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In segments, and from the byte at which the attempt began."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(log_search, "SEARCH_S", search_s)
    one = instance(ready=Ready("log", READY))
    folder = tmp_path / ".local/state/fleetctl/fleet/job" / one.name
    log = b"of an earlier run\n" + filled(5 * MIB) + UP.encode() + filled(3 * MIB)
    write_segments(
        folder / "log", {at: log[at : at + 2 * MIB] for at in range(0, len(log), 2 * MIB)}, {}
    )
    (folder / "state").write_text("run=feed\nphase=running\nrestarts=0\npid=1\nlog=18\n")

    async def once() -> bool:
        link = LocalLink("pi4")
        facts = await look(link, services_script("fleet", "pi4"))
        condition = Condition("fleet", one)
        record: Record = facts.records["job", one.name]
        holds = await condition.holds(link, record)
        if not holds:
            await condition.mark_searched(link, record)
        return holds

    first = bounded(once())
    assert first or bounded(once())
    if search_s == 0:
        assert not first
        run, restarts, offset, _ = (folder / "searched").read_text().split()
        assert (run, restarts) == ("feed", "0")
        assert 18 + PIECE_BYTES - 1000 < int(offset) <= 18 + PIECE_BYTES


def test_a_login_shell_that_runs_no_command_is_told(
    make_sshd: Callable[..., Server], client_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleetctl.link.ssh.link.SHELL_START_S", 0.5)
    server = make_sshd()
    (server.home / ".bashrc").write_text("sleep 20\n")
    condition = Condition("fleet", instance(ready=Ready("command", "true")))

    async def body() -> bool:
        link = await Connector({}).connect(server.node())
        holds = await condition.holds(link, World().record)
        await link.close()
        return holds

    assert bounded(body()) is False
    assert condition.unasked == (
        "its ready command was not run: the account's login shell ran no command within 0.5 s"
    )


# unexpected answers


@pytest.mark.parametrize(
    ("answer", "yes"),
    [
        (b"HTTP/1.0 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 200", True),
        (b"HTTP/1.1 2000 Fine\r\n\r\n", False),
        (b"HTTP/1.1 302 Found\r\n\r\n", False),
        (b"SSH-2.0-OpenSSH_9.6\r\n", False),
        (b"", False),
        (b"\xff" * 100_000, False),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_answers_of_http(answer: bytes, yes: bool) -> None:
    async def body() -> bool:
        node = SimulatedNode("pi4")
        node.servers["127.0.0.1", 80] = lambda _: answer
        return await answers_http(node.link(), "http://127.0.0.1")

    assert jumping(body()) is yes


@pytest.mark.parametrize(
    ("answer", "yes"),
    [
        (b"HTTP/1.0 200 OK\r\nX: loaded\r\n\r\n{'model': 'loaded'}", True),
        (b"HTTP/1.0 200 OK\r\nX: loaded\r\n\r\n{'model': 'loading'}", False),
        (b"HTTP/1.0 503 Busy\r\n\r\nloaded", False),
        (b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 65_000 + b" loaded", True),
        (b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 66_000 + b" loaded", False),
    ],
    ids=["matches", "does not, but a header", "no success", "within 64 KB", "behind 64 KB"],
)
def test_what_http_has_to_answer(answer: bytes, yes: bool) -> None:
    async def body() -> bool:
        node = SimulatedNode("pi4")
        node.servers["127.0.0.1", 80] = lambda _: answer
        return await answers_http(node.link(), "http://127.0.0.1", r"\bloaded\b")

    assert jumping(body()) is yes


def test_an_expression_that_takes_too_long_cannot_be_asked() -> None:
    async def body() -> None:
        node = SimulatedNode("pi4")
        node.servers["127.0.0.1", 80] = lambda _: b"HTTP/1.0 200 OK\r\n\r\n" + b"a" * 40 + b"b"
        await answers_http(node.link(), "http://127.0.0.1", "^(a|aa)+$")

    with pytest.raises(Unasked, match=r"ready\.http\.body takes more than 0\.1 s"):
        jumping(body())


def test_a_lost_link_is_no_answer_of_http() -> None:
    async def body() -> None:
        node = SimulatedNode("pi4")
        link = node.link()
        node.cut()
        await answers_http(link, "http://127.0.0.1")

    with pytest.raises(LinkError):
        jumping(body())
