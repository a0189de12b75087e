"""What is started by hand is tried until it accepts a connection, then rarely, and not at all while
one of ours is connected to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from fleetctl.link.protocol import Link
from fleetctl.model.facts import NodeFacts, TcpConnection
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.ready import Ready
from fleetctl.model.topology import SSH, Node
from fleetctl.observe import by_hand
from fleetctl.observe.by_hand import RARELY_S, ByHand
from tests.health.facts import PID, facts, pane, record
from tests.launch.jobs import job

_T = TypeVar("_T")
JOB = job(
    {"app": (["ipad"], []), "w": (["a"], ["app"])},
    app={"command": None, "ready": Ready("connect", "10.0.0.9:8000")},
)
APP, WORKER = JOB.instances
IPAD = Node("ipad", SSH("ipad"), addresses={"lan": IPv4Address("10.0.0.9")}, connection="none")
LINK: Link = object()  # type: ignore[assignment]  # only passed on


class Tried:
    """Stands for the app, and for the clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.accepts = True
        self.times = 0
        self.now_s = 1000.0
        monkeypatch.setattr(by_hand, "external_answers", self.external_answers)
        monkeypatch.setattr(by_hand, "time", SimpleNamespace(monotonic=lambda: self.now_s))

    async def external_answers(self, link: Link, instance: Instance) -> bool:
        self.times += 1
        return self.accepts


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> Tried:
    return Tried(monkeypatch)


def bounded(body: Awaitable[_T]) -> _T:
    return asyncio.run(asyncio.wait_for(body, 10))


def connected(*to: str) -> NodeFacts:
    own = IPv4Address("10.0.0.2")
    links = tuple(TcpConnection(own, IPv4Address(a), 8000, (PID,)) for a in to)
    return facts(pane(WORKER), record(WORKER), connections=links)


async def ask(of: ByHand, instance: Instance = APP, **more: Any) -> bool:
    return await of.answers(LINK, IPAD, instance, **{"now": False, **more})


def test_it_is_tried_each_time_until_it_accepts_and_then_once_a_minute(tried: Tried) -> None:
    async def body() -> None:
        of = ByHand([JOB])
        of.learn("a", connected())
        tried.accepts = False
        assert [await ask(of) for _ in range(3)] == [False] * 3
        tried.accepts = True
        assert [await ask(of) for _ in range(5)] == [True] * 5
        assert tried.times == 4
        tried.now_s += RARELY_S
        tried.accepts = False
        assert [await ask(of), await ask(of)] == [False, False]
        assert tried.times == 6
        tried.accepts = True
        assert [await ask(of), await ask(of, now=True)] == [True, True]
        assert tried.times == 8  # somebody wants to know now

    bounded(body())


def test_it_is_left_alone_while_one_of_ours_is_connected(tried: Tried) -> None:
    async def body() -> None:
        of = ByHand([JOB])
        of.learn("a", connected("10.0.0.9"))
        tried.now_s += 2 * RARELY_S
        assert await ask(of, now=True)
        assert tried.times == 0
        of.learn("a", connected("10.0.0.8"))  # it is known anew at once
        assert await ask(of)
        assert tried.times == 1
        of.learn("a", connected("10.0.0.9"))
        of.lose("a")
        tried.accepts = False
        assert not await ask(of, now=True)

    bounded(body())


def test_the_first_look_at_who_may_be_connected_is_waited_for(tried: Tried) -> None:
    async def body() -> None:
        of = ByHand([JOB])
        asking = asyncio.create_task(ask(of))
        await asyncio.sleep(0)
        assert not asking.done()
        of.learn("a", connected("10.0.0.9"))
        assert await asking
        assert tried.times == 0

    bounded(body())


def test_one_that_is_slow_is_waited_for_once(tried: Tried, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_hand, "FIRST_LOOK_S", 0.0)

    async def body() -> None:
        of = ByHand([JOB])
        assert await ask(of)
        monkeypatch.setattr(by_hand, "FIRST_LOOK_S", 3600.0)
        assert await ask(of)

    bounded(body())


def test_what_is_asked_by_http_is_asked_each_time(tried: Tried) -> None:
    web = job(
        {"app": (["ipad"], [])},
        app={"command": None, "ready": Ready("http", "http://10.0.0.9:8000/")},
    )
    of = ByHand([web])
    assert [bounded(ask(of, web.instances[0])) for _ in range(3)] == [True] * 3
    assert tried.times == 3


def test_it_is_left_alone_for_a_job_of_which_nothing_ran_yet() -> None:
    of = ByHand([Job("first", {}), JOB])
    of.learn("a", facts())
    assert not of.wants(APP)
    of.learn("a", connected())
    assert of.wants(APP)
    of.learn("a", facts())  # it was stopped since then
    assert of.wants(APP)
    assert ByHand([JOB]).wants(APP)
