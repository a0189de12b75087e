"""Each await of one node raises what nobody meant to raise: the other nodes are unharmed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fleetctl.errors import LinkError, OwnMistake
from fleetctl.fleet import LiveFleet
from fleetctl.link.protocol import Link
from fleetctl.logs.events import LogBatch, LogEvent, Wanted
from fleetctl.model.execution import Broken, Ended, ExecutionEvent, Said
from fleetctl.model.topology import Node
from tests.clock import jumping
from tests.launch.jobs import job
from tests.scripted import says
from tests.simulated import SimulatedFleet

JOB = job({"worker": (["bad", "good"], [])})
BAD, GOOD = JOB.instances
SECRET = "s3cret"


class Fuse:
    """Raises at one of the awaits of a node, the ``at``-th, and at all that follow."""

    def __init__(self, at: int) -> None:
        self._left = at
        self.blown = False

    def burn(self) -> None:
        self._left -= 1
        if self._left < 0:
            self.blown = True
            raise ValueError(SECRET)


class Chaotic:
    """A link, or a stream, of which each method may raise."""

    def __init__(self, whole: Any, fuse: Fuse) -> None:
        self._whole = whole
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._whole, name)
        if name in ("stream", "terminal"):
            return lambda *a, **k: self._opened(value, *a, **k)
        if not callable(value) or name in ("close", "break_off"):
            return value

        def called(*arguments: Any, **options: Any) -> Any:
            self._fuse.burn()
            found = value(*arguments, **options)
            return self._awaited(found) if asyncio.iscoroutine(found) else found

        return called

    async def _awaited(self, found: Awaitable[Any]) -> Any:
        value = await found
        self._fuse.burn()
        return value

    @asynccontextmanager
    async def _opened(self, open_: Any, *arguments: Any, **options: Any) -> AsyncIterator[Any]:
        self._fuse.burn()
        async with open_(*arguments, **options) as stream:
            yield Chaotic(stream, self._fuse)


class ChaoticFleet(SimulatedFleet):
    """Two nodes, of which one is chaotic."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__(["bad", "good"])
        self._fuse = fuse
        for instance in JOB.instances:
            node = self.node[instance.node]
            node.already_runs(instance)
            node.log_of(instance).write(b"line\n")
            node.answers["other"] = says("said\n")

    async def _open(self, node: Node, lane: int = 0) -> Link:
        link = await super()._open(node, lane)
        if node.name != "bad":
            return link
        self._fuse.burn()
        chaotic: Link = Chaotic(link, self._fuse)
        return chaotic


Operation = Callable[[LiveFleet], Awaitable[None]]
"""Does something with both nodes, and asserts that the good one is as always."""


async def check(service: LiveFleet) -> None:
    checked = await service.check()
    status = checked.status
    assert status.nodes["good"].ssh.reachable
    assert status.services[GOOD.name].state == "ready"
    if not status.nodes["bad"].ssh.reachable:
        assert status.services[BAD.name].state == "unknown"
        (problem,) = [p for p in status.problems if p.node == "bad"]
        assert problem.code == "internal-error"
        assert "a mistake in fleetctl (ValueError in " in problem.summary


async def watch(service: LiveFleet) -> None:
    async with service.watch(0.5) as watching:
        await watching.all_asked()
        for _ in range(6):
            await watching.news(timeout_s=5)
            status = watching.snapshot().status
            assert status.nodes["good"].ssh.reachable
            assert status.services[GOOD.name].state == "ready"


async def execute(service: LiveFleet) -> None:
    events: list[ExecutionEvent] = []
    await service.execute(["bad", "good"], "true", 5.0, events.append)
    assert [e for e in events if e.node == "good"] == [
        Said("good", b"said\n", False),
        Ended("good", 0),
    ]
    (end,) = [e for e in events if e.node == "bad" and not isinstance(e, Said)]
    assert isinstance(end, Ended) or isinstance(end.error, OwnMistake)
    assert isinstance(end, Ended | Broken)


async def past_logs(service: LiveFleet) -> None:
    found = await service.past_logs(JOB.instances, Wanted(lines=5))
    log = found[GOOD.name]
    assert not isinstance(log, LinkError)
    assert log.data == b"line\n"
    bad = found[BAD.name]
    assert isinstance(bad, OwnMistake) or not isinstance(bad, LinkError)


async def follow_logs(service: LiveFleet) -> None:
    events: list[LogEvent] = []

    async def follow() -> None:
        await service.follow_logs(JOB.instances, Wanted(lines=5), events.append)

    following = asyncio.create_task(follow())
    await asyncio.sleep(5)
    assert not following.done()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert any(isinstance(e, LogBatch) and e.instance == GOOD.name for e in events)


async def fix(service: LiveFleet) -> None:
    repairs = service.fix(["bad", "good"])
    await repairs.look()


@pytest.mark.parametrize("operation", [check, watch, execute, past_logs, follow_logs, fix])
def test_a_node_that_makes_us_fail_harms_no_other(
    operation: Operation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    async def tried(at: int) -> bool:
        """Whether the fuse blew."""
        fuse = Fuse(at)
        async with ChaoticFleet(fuse).service(JOB) as service:
            await operation(service)
        return fuse.blown

    blown = 0
    while blown < 60 and jumping(tried(blown)):
        blown += 1
    assert blown
    reports = [*tmp_path.glob(".local/state/fleetctl/.mistakes/*.txt")]
    assert reports
    for report in reports:
        assert "ValueError" in report.read_text()
        assert SECRET not in report.read_text().replace("raise ValueError(SECRET)", "")
