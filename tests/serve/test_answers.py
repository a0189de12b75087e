"""What a server answers, and to which clients; a real OpenSSH server is the node."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from fleetctl.errors import LinkError, LinkHung, LinkLost, ShellHung
from fleetctl.fleet import LiveFleet
from fleetctl.link.links import Links
from fleetctl.link.ssh.link import SSHLink
from fleetctl.link.warm import frames, streams
from fleetctl.link.warm.client import Warm, WarmLink
from fleetctl.link.warm.messages import Connected, Failure, Hold, Request, Run, nodes_digest
from fleetctl.link.warm.place import socket_path
from fleetctl.model.status import FleetStatus
from fleetctl.model.topology import Fleet
from fleetctl.observe.watch import Watch
from fleetctl.serve.door import Door
from fleetctl.serve.newest import Newest
from fleetctl.serve.quick import asked_of, asking, fleet_named, status_asked
from fleetctl.serve.server import Served
from fleetctl.serve.server import Server as WarmServer
from tests.openssh import Server, bounded, until

INTERVAL_S = 0.2


@pytest.fixture(autouse=True)
def home(client_home: Path) -> Path:
    return client_home


def fleet_of(sshd: Server) -> Fleet:
    return Fleet("home", {}, {"pi4": sshd.node()}, internet=None)


@asynccontextmanager
async def serving(sshd: Server) -> AsyncIterator[tuple[WarmServer, Watch]]:
    """A server that watches, and has connected."""
    fleet = fleet_of(sshd)
    async with LiveFleet(fleet, None) as service, service.watch(INTERVAL_S) as watch:
        newest = Newest(watch, fleet, (), INTERVAL_S)
        server = WarmServer()
        server.serve(Served(service, newest, "/nodes.yaml", b"fleet: home"))
        await until(lambda: service.links.open_now("pi4"), "it has connected", 25)
        await watch.all_asked()
        async with Door(fleet.name, server.take):
            yield server, watch


async def _answer(request: bytes) -> tuple[bytes, bytes]:
    reader, writer = await asyncio.open_unix_connection(socket_path("home"))
    try:
        writer.write(request)
        async with asyncio.timeout(10):
            return await frames.read(reader, 10 * frames.MOST_BYTES)
    finally:
        writer.close()


def request(version: str, digest: bytes, operation: Hold | Run = Hold()) -> bytes:  # noqa: B008
    asked = Request(version, digest, operation)
    return frames.framed(frames.REQUEST, msgspec.msgpack.encode(asked))


def test_only_the_same_version_and_nodes_are_served(sshd: Server) -> None:
    async def body() -> None:
        digest = nodes_digest(fleet_of(sshd))
        async with serving(sshd):
            assert (await _answer(request(frames.VERSION, digest)))[0] == frames.GRANTED
            assert (await _answer(request("0.0.0/1", digest)))[0] == frames.REFUSED
            assert (await _answer(request(frames.VERSION, b"other")))[0] == frames.REFUSED
            text = asking("/nodes.yaml", None, b"fleet: home")
            assert (await _answer(text))[0] == frames.GRANTED
            for other in (
                asking("/nodes.yaml", None, b"fleet: home "),
                asking("/elsewhere.yaml", None, b"fleet: home"),
                asking("/nodes.yaml", "train", b"fleet: home"),
                asking("/nodes.yaml", None, b"fleet: home", ("nothing-like-it",)),
                frames.framed(frames.STATUS, b"9.9/1\0/nodes.yaml\0\00\0fleet: home"),
            ):
                assert (await _answer(other))[0] == frames.REFUSED

    bounded(body())


@pytest.mark.parametrize(
    "sent",
    [b"?\0\0\0\0", b"R\0\0\0\1\xff", b"S\0\0\0\1x", b"R\xff\xff\xff\xff", b"K\0\0\0\1x"],
)
def test_whatever_comes_is_refused_or_closed(sshd: Server, sent: bytes) -> None:
    async def body() -> None:
        async with serving(sshd):
            try:
                kind, _ = await _answer(sent)
            except frames.Broken:
                kind = frames.REFUSED
            assert kind == frames.REFUSED
            digest = nodes_digest(fleet_of(sshd))
            assert (await _answer(request(frames.VERSION, digest)))[0] == frames.GRANTED

    bounded(body())


def test_nodes_that_it_does_not_know_are_refused(sshd: Server) -> None:
    async def body() -> None:
        digest = nodes_digest(fleet_of(sshd))
        async with serving(sshd):
            run = Run("controller", b"echo done", b"", 5.0, 1000)
            kind, said = await _answer(request(frames.VERSION, digest, run))
            assert (kind, said) == (frames.REFUSED, b"there is no such node")

    bounded(body())


def test_without_a_server_and_with_one_of_other_nodes_it_connects_itself(sshd: Server) -> None:
    async def body() -> None:
        async with Links(fleet_of(sshd), warm=True) as links:
            assert isinstance(await links.get("pi4"), SSHLink)
        async with serving(sshd):
            async with Links(fleet_of(sshd), warm=True) as links:
                assert isinstance(await links.get("pi4"), WarmLink)
            other = Fleet("home", {}, {"pi4": sshd.node(connect_timeout_s=6.0)})
            async with Links(other, warm=True) as links:
                assert isinstance(await links.get("pi4"), SSHLink)

    bounded(body())


def test_the_end_of_the_server_is_a_lost_link_and_the_next_is_its_own(sshd: Server) -> None:
    async def body() -> None:
        async with Links(fleet_of(sshd), warm=True) as links:
            async with serving(sshd):
                link = await links.get("pi4")
                running = asyncio.create_task(link.run("echo a; exec sleep 60", timeout_s=60))
                async with link.stream("echo begun; cat") as stream:
                    assert await stream.read() == b"begun\n"
                    assert not link.closed
            with pytest.raises(LinkLost, match="fleetctl serve"):
                await running
            await until(lambda: link.closed, "the link knows")
            own = await links.get("pi4")
            assert isinstance(own, SSHLink)
            assert (await own.run("echo again", timeout_s=10)).text == "again\n"

    bounded(body())


def test_more_scripts_than_a_connection_has_channels(sshd: Server) -> None:
    """And the watch goes on meanwhile."""

    async def body() -> None:
        async with serving(sshd) as (_, watch), Links(fleet_of(sshd), warm=True) as links:
            link = await links.get("pi4")
            scripts = [
                asyncio.create_task(link.run(f"read l; echo {n} $l", stdin=b"x\n", timeout_s=20))
                for n in range(30)
            ]
            before_s = watch.asked_s["pi4"]
            done = await asyncio.gather(*scripts)
            assert [one.text for one in done] == [f"{n} x\n" for n in range(30)]
            await until(lambda: watch.asked_s["pi4"] > before_s, "it is asked again")

    bounded(body())


def test_a_server_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "BEGIN_S", 0.2)

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def body() -> None:
        warm = Warm(Fleet("home", {}, {}))
        link = WarmLink(warm, "pi4", Connected(None, None, None, (), "", "", {}))
        async with Door("home", mute), link.stream("echo begun") as stream:
            with pytest.raises(LinkHung, match="fleetctl serve did not begin it"):
                await stream.begun()

    bounded(body())


def test_a_connection_through_a_node_ends_with_the_node_s(sshd: Server) -> None:
    async def body() -> None:
        async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"here")
            await reader.read()
            writer.close()

        page = await asyncio.start_server(hold, "127.0.0.1", 0)
        port = page.sockets[0].getsockname()[1]
        async with page, serving(sshd), Links(fleet_of(sshd), warm=True) as links:
            link = await links.get("pi4")
            assert isinstance(link, WarmLink)
            reader, writer = await link.open_connection("127.0.0.1", port, timeout_s=10)
            assert await reader.readexactly(4) == b"here"
            assert sshd.cut()
            async with asyncio.timeout(20):
                assert await reader.read() == b""
            writer.close()

    bounded(body())


def test_a_status_is_never_from_before_what_was_done(sshd: Server) -> None:
    async def body() -> None:
        fleet = fleet_of(sshd)
        asked = asking("/nodes.yaml", None, b"fleet: home")
        async with serving(sshd) as (_, watch), Links(fleet, warm=True) as links:
            link = await links.get("pi4")
            await link.run("true", timeout_s=10)
            loop = asyncio.get_running_loop()
            done_s = loop.time()  # time.monotonic()
            kind, said = await _answer(asked)
            assert kind == frames.GRANTED
            assert b'"pi4"' in said
            assert watch.asked_s["pi4"] > done_s - 0.05

    bounded(body())


def test_a_status_says_how_old_its_oldest_look_is(sshd: Server) -> None:
    async def body() -> None:
        asked = asking("/nodes.yaml", None, b"fleet: home")
        async with serving(sshd) as (_, watch):
            kind, said = await _answer(asked)
            assert kind == frames.GRANTED
            at = msgspec.json.decode(said[1:], type=FleetStatus).generated_at.timestamp()
            # the look in it is the newest one, or one before that
            began = time.time() - (time.monotonic() - watch.asked_s["pi4"])
            assert at <= began + 0.005

    bounded(body())


def test_errors_are_the_same_at_the_other_end() -> None:
    hung = ShellHung("pi4", "it hangs", hint="Do so.", output=b"a", errors=b"b")
    same = Failure.of(hung).error("pi4")
    assert isinstance(same, ShellHung)
    assert (str(same), same.output, same.errors, same.code) == (str(hung), b"a", b"b", "ssh-hung")
    assert type(Failure("exit", "").error("pi4")) is LinkError


def test_which_calls_are_quick() -> None:
    assert status_asked(["status", "--json"]) == (None, None, ())
    assert status_asked(["-f", "a", "--job", "b", "status", "--json"]) == ("a", "b", ())
    for words in ("--job all status pi4 w* --json", "--job all status --json pi4 w*"):
        assert status_asked(words.split()) == (None, "all", ("pi4", "w*"))
    for other in (
        "status",
        "status pi4",
        "status --json --watch",
        "status --json --json",
        "status -- --json",
        "--fresh status --json",
        "-f status --json",
        "",
    ):
        assert status_asked(other.split()) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("fleet: home\n", "home"),
        ("# x\nfleet: 'my-home'  # y\nnodes: {}\n", "my-home"),
        ("{fleet: home}", ""),
        ("fleet: home\nfleet: other", ""),
        ("fleet: ../../x", ""),
        ("fleet: &a home", ""),
        ("", ""),
    ],
)
def test_the_name_of_the_fleet_without_reading_the_file(text: str, name: str) -> None:
    assert fleet_named(text.encode()) == name


def test_what_is_asked_is_what_arrives() -> None:
    for targets in ((), ("pi4", "wörker@*")):
        frame = asking("/a b/nödes.yaml", "train", b"fleet: a\0b", targets)
        path, content = "/a b/nödes.yaml", b"fleet: a\0b"
        assert asked_of(frame[5:]) == (frames.VERSION, path, "train", targets, content)
    endless = b"v\0p\0j\0" + b"9" * 30 + b"\0a\0b"
    for odd in (b"v\0p\0j\02\0one", b"v\0p\0j\0-1\0a\0b", b"v\0p\0j\0x\0a", b"v\0p", endless):
        with pytest.raises(ValueError, match=r"."):
            asked_of(odd)
