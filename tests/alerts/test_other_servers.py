"""Two servers of one fleet: one sends, and the other one only if it is not heard any more."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from fleetctl.alerts import other_servers
from fleetctl.alerts.alerting import Alerting
from fleetctl.alerts.other_servers import Claim, OtherServers, note_script, read_claims
from fleetctl.errors import LinkError
from fleetctl.link.links import Links
from fleetctl.link.protocol import Completed
from fleetctl.model.status import FleetStatus
from tests.alerts.seen import failed, fleet, later, snapshot, status
from tests.alerts.test_alerting import until

LOST = status(0, failed("worker@b"))
NODES = ("a", "b", "c")


class Node:
    """A node with a home of its own and the real shell."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir()

    async def run(self, script: str, timeout_s: float) -> Completed:
        done = await asyncio.to_thread(
            subprocess.run,
            ["sh", "-c", script],
            env={"HOME": str(self.home), "PATH": os.environ["PATH"]},
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
        return Completed(done.stdout, done.stderr, done.returncode)


class Cluster:
    """Nodes as both servers reach them."""

    def __init__(self, folder: Path) -> None:
        self.nodes = {name: Node(folder / name) for name in NODES}
        self.lost: set[str] = set()

    async def get(self, name: str) -> Node:
        if name in self.lost:
            raise LinkError(name, "no answer")
        return self.nodes[name]


class Server:
    """One `fleetctl serve`, as far as alerts go, on a machine of its own."""

    def __init__(self, cluster: Cluster, folder: Path, line: str = "cat >> ../got") -> None:
        self.folder = folder
        folder.mkdir()
        to = json.dumps({"command": line})
        self.fleet = fleet(f"[{{on: rank-lost, to: {to}, for: 0}}]", str(folder))
        self.cluster = cluster

    @asynccontextmanager
    async def running(self, second: int = 0) -> AsyncIterator[Server]:
        self.one = Alerting(self.fleet, lambda _: None, self.folder / "kept")
        self.one.follow(self.fleet, cast("Links", self.cluster))
        self.see(LOST if second else status(0), second)
        task = asyncio.create_task(self.one.run())
        try:
            await until(lambda: self.one._others._asked_s, "it has noted itself")
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def see(self, seen: FleetStatus, second: int) -> None:
        self.one.take(snapshot(later(seen, second), self.fleet), ())

    async def hears(self) -> None:
        await until(lambda: self.one._others._others, "it hears the other one")

    @property
    def idle(self) -> bool:
        return not self.one._kept.outbox


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(other_servers, "NOTE_S", 0.3)
    monkeypatch.setattr(other_servers, "SURE_S", 0.5)
    monkeypatch.setattr("fleetctl.alerts.alerting.HELD_S", 0.05)


def got(folder: Path) -> list[dict[str, Any]]:
    file = folder / "got"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_one_of_two_sends_and_the_other_takes_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(tmp_path)

    async def told() -> None:
        first, second = Server(cluster, tmp_path / "first"), Server(cluster, tmp_path / "second")
        async with second.running(), first.running():
            one, other = second, first  # the one that began earlier sends
            await asyncio.gather(one.hears(), other.hears())
            for server in (one, other):
                server.see(LOST, 2)
            await until(lambda: got(tmp_path), "it is sent")
            await until(lambda: other.idle, "it is left to the one that sent it")
            assert other.one._kept.deliveries["1 0"].by
            assert one.one._kept.deliveries["1 0"].by == ""
        monkeypatch.setattr(other_servers, "SURE_S", 1000)
        async with first.running(190):  # the other one is not there any more
            await first.hears()
            first.see(status(0), 200)  # it is over
            first.see(LOST, 300)
            outbox = first.one._kept.outbox
            await until(lambda: all(waiting.left_to for waiting in outbox), "it waits")
            monkeypatch.setattr(other_servers, "HEARD_S", 0.5)
            await until(lambda: len(got(tmp_path)) == 3, "it stands in for the other one")

    asyncio.run(told())
    assert [message["may_repeat"] for message in got(tmp_path)] == [False, True, True]
    assert "was to send it, and is not heard any more" in got(tmp_path)[1]["text"]


def test_one_that_cannot_send_is_stood_in_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(other_servers, "SURE_S", 1000)
    cluster = Cluster(tmp_path)
    line = "test -e may && cat >> ../got"

    async def told() -> None:
        first = Server(cluster, tmp_path / "first", line)
        second = Server(cluster, tmp_path / "second", line)
        (tmp_path / "second/may").touch()
        async with first.running(), second.running():
            await second.hears()
            for server in (first, second):
                server.see(LOST, 2)
            await until(lambda: got(tmp_path), "the other one sends")

    asyncio.run(told())


def test_what_is_not_known_holds_nothing_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one may be there, but no node can be asked for it any more."""
    cluster = Cluster(tmp_path)

    async def told() -> None:
        first, second = Server(cluster, tmp_path / "first"), Server(cluster, tmp_path / "second")
        async with first.running(), second.running():
            await second.hears()
            cluster.lost = set(NODES)
            monkeypatch.setattr(other_servers, "HEARD_S", 0.5)
            for server in (first, second):
                server.see(LOST, 2)
            await until(lambda: len(got(tmp_path)) == 2, "both send")

    asyncio.run(told())


def test_what_only_one_sees_is_told_by_it_raised_and_over(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)

    async def told() -> None:
        first, second = Server(cluster, tmp_path / "first"), Server(cluster, tmp_path / "second")
        async with first.running(), second.running():
            await second.hears()
            first.see(status(0), 2)
            second.see(LOST, 2)
            await until(lambda: got(tmp_path), "the other one sends")
            second.see(status(0), 200)
            await until(lambda: len(got(tmp_path)) == 2, "and that it is over")

    asyncio.run(told())
    assert [(m["state"], m["may_repeat"]) for m in got(tmp_path)] == [
        ("raised", False), ("over", False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("100 yes\n", []),
        ('100 yes\n98 {"id":"b","began":1,"by":"ann@b","rules":["r"]}\n', ["b"]),
        ('100 yes\n9 {"id":"b","began":1,"by":"ann@b"}\n', []),  # too long ago
        ('100 yes\n101 {"id":"b","began":1,"by":"ann@b"}\n', []),  # the clock was set back
        ('100 yes\n98 {"id":"b","began":"x","by":"ann@b"}\n98 {\n\n98\nx y\n', []),
        ("100 no\n", None),
        ("", None),
        ("x yes\n", None),
    ],
)
def test_notes_that_are_read(text: str, known: list[str] | None) -> None:
    found = read_claims(text, time.time())
    assert (found if found is None else list(found)) == known


def test_a_note_replaces_its_own_and_only_in_a_private_folder(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    folder = node.home / ".local/state/fleetctl/home/.serving"

    async def noted(claim: Claim) -> Completed:
        return await node.run(note_script("home", claim), 30)

    async def play() -> None:
        for began in (1, 2):
            done = await noted(Claim("a1", began, "ann's@here"))
        found = read_claims(done.text, time.time())
        assert found is not None
        assert found["a1"].claim == Claim("a1", 2, "ann's@here")
        os.utime(folder / "a1", (0, 0))
        await noted(Claim("b2", 3, "ann@there"))
        assert [file.name for file in folder.iterdir()] == ["b2"]  # what is old is gone
        assert (folder / "b2").stat().st_mode & 0o777 == 0o600
        folder.chmod(0o777)
        done = await noted(Claim("b2", 4, "ann@there"))
        assert (done.exit_status, done.text) == (1, "")

    asyncio.run(play())


def test_it_is_one_that_is_heard_on_most_nodes() -> None:
    def heard(*names: str) -> dict[str, other_servers._Heard]:
        return {n: other_servers._Heard(Claim(n, 1, n), time.time()) for n in names}

    agreed = other_servers._agreed([heard("b", "me"), heard("b", "c"), heard("c", "d")], "me")
    assert sorted(one.claim.id for one in agreed) == ["b", "c"]
    assert other_servers._agreed([heard("b"), {}], "me") == ()


def test_the_first_is_the_same_for_all() -> None:
    def server(name: str) -> OtherServers:
        one = OtherServers(name, name, lambda: (), lambda: (), lambda: None)
        one.follow("home", cast("Links", object()))
        one._asked_s = time.monotonic()
        return one

    servers = [server(name) for name in "abc"]
    for one in servers:  # all began at one moment
        one._mine = Claim(one._mine.id, 7.0, one._mine.by, ("r",))
    for one in servers:
        others = (o._mine for o in servers if o is not one)
        one._others = tuple(other_servers._Heard(claim, time.time()) for claim in others)
    assert [one.verdict("r", time.time()) for one in servers] == [
        ("send", ""), ("wait", "a"), ("wait", "a"),
    ]  # fmt: skip
    assert servers[2].verdict("another rule", time.time()) == ("send", "")
    assert servers[2].verdict("r", time.time() - 9) == ("drop", "a")
    assert servers[2].verdict("r", time.time() - 9, ["of it alone"]) == ("send", "a")
