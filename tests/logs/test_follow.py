"""Following a log: every byte once and in order, through rotation, cuts and restarts."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from shutil import move

import psutil
import pytest

from fleetctl.link.links import Links
from fleetctl.logs import follow as module
from fleetctl.logs import segments as segments_module
from fleetctl.logs.follow import Cut, Event, Gap, Lines, Resumed, follow
from fleetctl.logs.segments import LogLocation
from fleetctl.model.topology import SSH, Fleet, Node
from fleetctl.package_files import package_text
from tests.logs.loggers import Logger, segments, write_segments
from tests.openssh import Server, alive, bounded, until
from tests.waiting import eventually

PLACE = LogLocation("flotte", "edp", "worker@pi4")
STATE = ".local/state/fleetctl/flotte/edp/worker@pi4/log"

pytestmark = pytest.mark.usefixtures("client_home")


@pytest.fixture
def server(make_sshd: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> Server:
    # there are many cuts here, so the pauses between attempts are short
    monkeypatch.setattr(module, "_BACKOFF_S", (0.05,))
    return make_sshd()


@pytest.fixture
def folder(server: Server) -> Path:
    return server.home / STATE


@contextmanager
def _writing(write: Callable[[], None]) -> Iterator[None]:
    """While inside, ``write`` runs in a thread."""
    failed: list[BaseException] = []

    def guarded() -> None:
        try:
            write()
        except BaseException as error:  # noqa: BLE001  # raised in the test's own thread
            failed.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    try:
        yield
    finally:
        thread.join(30)
    assert not failed, failed
    assert not thread.is_alive()


@asynccontextmanager
async def _following(
    place: LogLocation, node: str, links: Links, offset: int
) -> AsyncIterator[AsyncIterator[Event]]:
    events = follow(place, node, links, offset)
    try:
        yield events
    finally:
        assert isinstance(events, AsyncGenerator)
        await events.aclose()


async def _next(events: AsyncIterator[Event]) -> Event:
    return await asyncio.wait_for(anext(events), 15)


async def _lines(events: AsyncIterator[Event], until_text: bytes) -> bytes:
    """The lines up to and with ``until_text``; no other event may come."""
    got = b""
    while until_text not in got:
        event = await _next(events)
        assert isinstance(event, Lines), event
        got += event.data
    return got


def test_every_byte_once_and_in_order_through_rotations_and_cuts(
    server: Server, folder: Path
) -> None:
    """A writer at full speed, segments of half a megabyte, the connection cut five times."""
    lines = [b"%07d %s" % (n, b"x" * (n % 150)) for n in range(150_000)]
    written = b"".join(line + b"\n" for line in lines)
    assert len(written) > 12_000_000
    logger = Logger(folder, limit=1 << 19, keep=1000)

    def write() -> None:
        for place in range(0, len(written), 30_000):
            logger.write(written[place : place + 30_000])
        logger.finish()

    async def body() -> tuple[bytes, list[Event]]:
        got = bytearray()
        others: list[Event] = []
        cuts = [len(written) * part // 7 for part in range(1, 6)]
        async with server.links() as links, _following(PLACE, "pi4", links, 0) as events:
            while len(got) < len(written):
                event = await _next(events)
                if isinstance(event, Lines):
                    assert event.offset == len(got)
                    assert event.data.endswith(b"\n")
                    got += event.data
                else:
                    others.append(event)
                # what arrived before the last cut may still be read after it
                if cuts and len(got) > cuts[0] and server.cut():
                    cuts.pop(0)
        assert not cuts
        return bytes(got), others

    with _writing(write):
        got, others = bounded(body())
    assert got == written
    assert len(segments(folder)) >= 2
    assert [type(event) for event in others] == [Cut, Resumed] * 5


def test_a_slow_reader_learns_of_every_byte_that_was_rotated_away(
    server: Server, folder: Path
) -> None:
    """Offsets of lines and gaps are contiguous, and the end is reached, whatever is lost."""
    logger = Logger(folder, limit=20_000, keep=2)
    count = 60_000

    def write() -> None:
        for number in range(0, count, 50):
            logger.write(b"".join(b"line %06d of it\n" % n for n in range(number, number + 50)))
        logger.write(b"END\n")
        logger.finish()

    async def body() -> int:
        place = gaps = 0
        async with server.links() as links, _following(PLACE, "pi4", links, 0) as events:
            while True:
                event = await _next(events)
                match event:
                    case Lines(offset, data):
                        assert offset == place
                        place += len(data)
                        if data.endswith(b"END\n"):
                            return gaps
                    case Gap(offset, missing):
                        assert offset == place
                        assert missing > 0
                        place += missing
                        gaps += 1
                    case _:
                        raise AssertionError(event)
                await asyncio.sleep(0.05)

    with _writing(write):
        bounded(body())


def test_bytes_that_were_rotated_away_are_a_gap(server: Server, folder: Path) -> None:
    write_segments(folder, {8: b"three\nfo", 16: b"ur\nfive\nsi"}, {})

    async def body() -> None:
        async with server.links() as links, _following(PLACE, "pi4", links, 3) as events:
            assert await _next(events) == Gap(3, 5)
            assert await _lines(events, b"five\n") == b"three\nfour\nfive\n"
            with (folder / "16.log").open("ab") as log:
                log.write(b"x\n")
            assert await _next(events) == Lines(24, b"six\n")

    bounded(body())


@pytest.mark.parametrize("removed", [True, False])
def test_a_segment_lost_under_the_reader_is_a_gap_and_no_standstill(
    server: Server, folder: Path, removed: bool
) -> None:
    write_segments(folder, {0: b"one\n"}, {})
    remove = (folder / "0.log").unlink

    async def body() -> None:
        async with server.links() as links, _following(PLACE, "pi4", links, 0) as events:
            assert await _next(events) == Lines(0, b"one\n")
            # the segment in between was removed before it was read
            write_segments(folder, {500: b"far\n"}, {})
            if removed:
                remove()
            assert await _next(events) == Gap(4, 496)
            assert await _next(events) == Lines(500, b"far\n")

    bounded(body())


def test_a_log_that_is_not_there_yet_is_waited_for(server: Server, folder: Path) -> None:
    there = folder.exists

    async def body() -> None:
        async with server.links() as links, _following(PLACE, "pi4", links, 0) as events:
            first = asyncio.ensure_future(_next(events))
            await until(lambda: _waiting(server), "the node waits for the log")
            assert not there()  # looking leaves nothing behind
            write_segments(folder, {0: b"born\n"}, {})
            assert await first == Lines(0, b"born\n")

    bounded(body())


def test_a_log_that_is_shorter_than_what_was_read_goes_on_at_its_end(
    server: Server, folder: Path
) -> None:
    """As after a loss of power, when the node's last bytes were not on its disk yet."""
    write_segments(folder, {0: b"kept\n"}, {})

    async def body() -> None:
        async with server.links() as links, _following(PLACE, "pi4", links, 90) as events:
            first = asyncio.ensure_future(_next(events))
            await until(lambda: _tails(folder), "the node follows")
            with (folder / "0.log").open("ab") as log:
                log.write(b"new\n")
            assert await first == Lines(5, b"new\n")

    bounded(body())


def test_an_unfinished_line_waits_until_it_is_whole_also_across_segments(
    server: Server, folder: Path
) -> None:
    write_segments(folder, {0: b"whole\nto"}, {})

    async def body() -> None:
        async with server.links() as links, _following(PLACE, "pi4", links, 0) as events:
            assert await _next(events) == Lines(0, b"whole\n")
            write_segments(folder, {8: b"rn\nnext\n"}, {})
            assert await _lines(events, b"next\n") == b"torn\nnext\n"

    bounded(body())


def test_a_cut_and_its_end_are_reported_even_when_nothing_is_written(
    server: Server, folder: Path
) -> None:
    write_segments(folder, {0: b"one\ntw"}, {})

    async def body() -> None:
        async with server.links() as links, _following(PLACE, "pi4", links, 0) as events:
            assert await _next(events) == Lines(0, b"one\n")
            server.cut()
            cut = await _next(events)
            assert isinstance(cut, Cut)
            assert cut.reason.startswith("the connection broke")
            assert await _next(events) == Resumed()
            with (folder / "0.log").open("ab") as log:
                log.write(b"o\n")
            assert await _next(events) == Lines(4, b"two\n")

    bounded(body())


def test_a_node_that_stays_unreachable_is_reported_once(server: Server, folder: Path) -> None:
    write_segments(folder, {0: b"one\n"}, {})

    async def body() -> None:
        async with server.links() as links, _following(PLACE, "pi4", links, 0) as events:
            assert await _next(events) == Lines(0, b"one\n")
            server.stop()
            assert isinstance(await _next(events), Cut)
            again = asyncio.ensure_future(_next(events))
            done, _ = await asyncio.wait([again], timeout=0.5)  # several attempts long
            assert not done
            server.start()
            assert await again == Resumed()

    bounded(body())


def test_a_tail_that_is_killed_on_the_node_is_replaced(server: Server, folder: Path) -> None:
    write_segments(folder, {0: b"one\n"}, {})

    async def body() -> None:
        async with server.links() as links, _following(PLACE, "pi4", links, 0) as events:
            assert await _next(events) == Lines(0, b"one\n")
            (tail,) = _tails(folder)
            tail.kill()
            with (folder / "0.log").open("ab") as log:
                log.write(b"two\n")
            assert await _next(events) == Lines(4, b"two\n")

    bounded(body())


def test_a_log_that_cannot_be_read_is_reported_and_tried_again(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_segments(folder, {0: b"one\n"}, {})
    works = package_text("logs/segments.sh")
    attempts: list[str] = []

    def broken(name: str) -> str:
        attempts.append(name)
        return works if len(attempts) > 4 else "echo no awk here >&2; exit 127\n"

    monkeypatch.setattr(segments_module, "package_text", broken)

    async def body() -> None:
        async with server.links() as links, _following(PLACE, "pi4", links, 0) as events:
            assert await _next(events) == Cut("its log cannot be read any more: no awk here")
            assert await _next(events) == Resumed()
            assert await _next(events) == Lines(0, b"one\n")

    bounded(body())
    assert len(attempts) == 5


def test_a_hole_between_two_segments_is_a_gap(server: Server, folder: Path) -> None:
    """As after a loss of power, when the end of a segment was not on the disk yet."""
    write_segments(folder, {0: b"one\n", 100: b"two\n", 104: b"three\n", 500: b"last\n"}, {})

    async def body() -> None:
        async with server.links() as links, _following(PLACE, "pi4", links, 0) as events:
            got: list[Event] = []
            while Lines(500, b"last\n") not in got:
                got.append(await _next(events))
            assert b"".join(e.data for e in got if isinstance(e, Lines)) == (
                b"one\ntwo\nthree\nlast\n"
            )
            assert [e for e in got if isinstance(e, Gap)] == [Gap(4, 96), Gap(110, 390)]

    bounded(body())


def test_a_folder_that_cannot_be_entered_for_a_while_makes_nothing_come_twice(
    server: Server, folder: Path
) -> None:
    write_segments(folder, {0: b"one\n"}, {})

    async def body() -> None:
        async with server.links() as links, _following(PLACE, "pi4", links, 0) as events:
            assert await _next(events) == Lines(0, b"one\n")
            move(folder, folder.with_name("away"))
            server.cut()
            assert isinstance(await _next(events), Cut)
            assert await _next(events) == Resumed()
            with (folder.with_name("away") / "0.log").open("ab") as log:
                log.write(b"two\n")
            move(folder.with_name("away"), folder)
            assert await _next(events) == Lines(4, b"two\n")

    bounded(body())


def test_this_machine_s_own_log_is_followed_without_ssh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / STATE
    write_segments(folder, {0: b"one\n"}, {})
    fleet = Fleet("test", {}, {"here": Node("here", SSH("here"), connection="local")})

    async def body() -> None:
        async with Links(fleet) as links, _following(PLACE, "here", links, 0) as events:
            assert await _next(events) == Lines(0, b"one\n")
            write_segments(folder, {4: b"two\n"}, {})
            assert await _next(events) == Lines(4, b"two\n")
        await until(lambda: not _inside(folder), "nothing stays behind")

    bounded(body())


def test_a_better_link_is_gone_over_to_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / STATE
    write_segments(folder, {0: b"one\n"}, {})
    fleet = Fleet("test", {}, {"here": Node("here", SSH("here"), connection="local")})

    async def body() -> None:
        async with Links(fleet) as links, _following(PLACE, "here", links, 0) as events:
            assert await _next(events) == Lines(0, b"one\n")
            link = await links.get("here")
            link.outdated = True
            following = asyncio.ensure_future(_next(events))
            opened = links._opening  # the new link is asked for by the follower alone
            await until(lambda: opened["here", 0].result() is not link, "it goes over")
            write_segments(folder, {4: b"two\n"}, {})
            assert await following == Lines(4, b"two\n")

    bounded(body())


# Processes left on the node


def _inside(folder: Path) -> list[psutil.Process]:
    """Processes that work in ``folder``."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def _named(folder: Path, name: str) -> list[psutil.Process]:
    found = []
    for process in _inside(folder):
        try:
            if process.name() == name:
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def _tails(folder: Path) -> list[psutil.Process]:
    return _named(folder, "tail")


def _shells(folder: Path) -> list[psutil.Process]:
    return _named(folder, "sh")


def _waiting(server: Server) -> list[psutil.Process]:
    """Processes of a script that waits for its log: descendants of a session that are ``cat``."""
    found = []
    for session in server.sessions():
        try:
            found += [p for p in session.children(recursive=True) if p.name() == "cat"]
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.mark.parametrize("how", ["closed", "cut"])
def test_no_tail_stays_behind(server: Server, folder: Path, how: str) -> None:
    write_segments(folder, {0: b"one\n"}, {})

    async def body() -> None:
        async with server.links() as links, _following(PLACE, "pi4", links, 0) as events:
            assert await _next(events) == Lines(0, b"one\n")
            assert len(_tails(folder)) == 1
            if how == "cut":
                server.cut()
                await until(lambda: not _inside(folder), "nothing of the cut follower is left")
        await until(lambda: not _inside(folder), "nothing stays behind")

    bounded(body())


@pytest.mark.parametrize("there_is_a_log", [True, False])
def test_no_tail_stays_behind_when_the_controller_is_killed(
    server: Server, folder: Path, there_is_a_log: bool
) -> None:
    if there_is_a_log:
        write_segments(folder, {0: b"one\n"}, {})
    script = """
import asyncio, json, sys
from fleetctl.link.links import Links
from fleetctl.logs.follow import follow
from fleetctl.logs.segments import LogLocation
from fleetctl.model.topology import SSH, Fleet, Node
from tests.waiting import eventually
ssh = SSH(**json.loads(sys.argv[1]))
async def main():
    async with Links(Fleet("test", {}, {"pi4": Node("pi4", ssh)})) as links:
        async for event in follow(LogLocation("flotte", "edp", "worker@pi4"), "pi4", links, 0):
            pass
asyncio.run(main())
"""
    ssh = server.ssh()
    given = {name: getattr(ssh, name) for name in ssh.__struct_fields__}
    controller = subprocess.Popen([sys.executable, "-c", script, json.dumps(given)])
    try:
        eventually(
            lambda: _tails(folder) if there_is_a_log else _waiting(server), "the node follows"
        )
        started = _inside(folder) or _waiting(server)
    finally:
        controller.kill()
        controller.wait(10)
    eventually(lambda: not any(alive(p.pid) for p in started), "nothing stays behind")
    eventually(lambda: not _inside(folder), "nothing works in the log's folder any more")
