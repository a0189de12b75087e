"""Watching: nodes are polled independently, and none delays another."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from fleetctl.config import load_text
from fleetctl.errors import ConnectTimedOut
from fleetctl.model.expectations import derive
from fleetctl.model.look import Look
from fleetctl.model.network import EchoRound
from fleetctl.model.questions import Depth
from fleetctl.model.topology import Node
from fleetctl.observe import watch as watch_module
from fleetctl.observe.attention import Wake
from fleetctl.observe.watch import LONGEST_PAUSE_S, Watch
from tests.health.facts import facts
from tests.health.world import World
from tests.lab.fleets import GUIDE

FLEET = load_text(
    """\
fleet: two
nodes:
  quick: {ssh: {host: 10.0.0.1}}
  other: {ssh: {host: 10.0.0.2}}
""",
    "nodes.yaml",
)
LookAt = Callable[[Node, Depth], Awaitable[Look]]


def watch(look: LookAt, interval_s: float = 0.01) -> Watch:
    async def attend(node: Node, wake: Wake) -> AsyncGenerator[Look, None]:
        yield await look(node, "status")

    return Watch(
        FLEET,
        None,
        lambda: (FLEET, derive(FLEET)),
        attend,
        interval_s=interval_s,
        depth="status",
    )


def bounded(body: Awaitable[Any]) -> Any:
    return asyncio.run(asyncio.wait_for(body, 10))


def states(watched: Watch) -> dict[str, str]:
    return {name: node.state for name, node in watched.snapshot().status.nodes.items()}


def test_a_node_that_does_not_answer_delays_no_other() -> None:
    asked: list[str] = []

    async def look(node: Node, depth: Depth) -> Look:
        asked.append(node.name)
        if node.name == "other":
            await asyncio.sleep(3600)
        return Look(facts=facts())

    async def body() -> None:
        async with watch(look) as watched:
            while asked.count("quick") < 5:
                assert await watched.news(timeout_s=5)
            assert states(watched) == {"quick": "ok", "other": "unknown"}
            assert asked.count("other") == 1

    bounded(body())


def test_a_lost_node_is_tried_again_after_longer_and_longer_pauses() -> None:
    tried_s: list[float] = []

    async def look(node: Node, depth: Depth) -> Look:
        if node.name == "other" and len(tried_s) < 5:
            tried_s.append(time.monotonic())
            return Look(error=ConnectTimedOut("other", "no answer"))
        return Look(facts=facts())

    async def body() -> None:
        async with watch(look) as watched:
            await watched.all_asked()
            assert states(watched)["other"] == "unreachable"
            while states(watched)["other"] != "ok":  # it comes back by itself
                await watched.news(timeout_s=5)

    bounded(body())
    pauses = [b - a for a, b in itertools.pairwise(tried_s)]
    assert pauses[-1] > 2 * pauses[0]


def test_pauses_are_bounded_and_spread() -> None:
    async def look(node: Node, depth: Depth) -> Look:
        return Look()

    one = watch(look, interval_s=2.0)
    pauses = {one._pause_s(50, 0.0) for _ in range(100)}
    assert max(pauses) <= LONGEST_PAUSE_S * 1.3
    assert max(pauses) - min(pauses) > LONGEST_PAUSE_S * 0.2
    assert one._pause_s(0, 0.5) == 1.5
    assert one._pause_s(0, 9.0) == 0.0


def test_a_bug_is_raised() -> None:
    async def look(node: Node, depth: Depth) -> Look:
        raise ZeroDivisionError

    async def body() -> None:
        async with watch(look) as watched:
            await watched.all_asked()

    with pytest.raises(ZeroDivisionError):
        bounded(body())


def test_leaving_ends_the_polling() -> None:
    asked = 0

    async def look(node: Node, depth: Depth) -> Look:
        nonlocal asked
        asked += 1
        return Look(facts=facts())

    async def body() -> int:
        async with watch(look) as watched:
            await watched.all_asked()
        return asked

    assert bounded(body()) == asked


def test_what_was_lost_in_an_outage_does_not_make_a_lossy_link() -> None:
    """mini3 does not forward for a while; then it does."""
    fleet = load_text(GUIDE, "nodes.yaml")
    world = World(fleet)

    def looked(*rounds: EchoRound) -> dict[str, Look]:
        found = {name: world.look(name, "check") for name in world.hosts}
        for name in ("pi4", "mini1", "mini2"):
            told = found[name].facts
            assert told
            pi4 = fleet.nodes["pi4"].addresses["edge51"]
            fabric = [fleet.nodes[n].addresses["fabric"] for n in ("mini1", "mini2")]
            crossing = fabric if name == "pi4" else [pi4]
            seen = {**told.network.rounds, **dict.fromkeys(crossing, rounds)}
            network = replace(told.network, rounds=seen)
            found[name] = replace(found[name], facts=replace(told, network=network))
        return found

    async def nobody(_node: Node, _wake: Wake) -> AsyncGenerator[Look, None]:
        return
        yield

    def problems(watch: Watch, looks: dict[str, Look]) -> set[str]:
        watch._looks = looks
        return {p.code for p in watch.snapshot().status.problems}

    cut = (EchoRound(1, 10, 2, 0.2), EchoRound(2, 10, 3, 0.2))
    watch, fresh = (
        Watch(
            fleet,
            None,
            lambda: (fleet, world.expectations),
            nobody,
            interval_s=2,
            depth="check",
        )
        for _ in range(2)
    )
    world.hosts["mini3"].forwarding = False
    assert "forwarding-off" in problems(watch, looked(*cut))
    world.hosts["mini3"].forwarding = True
    after = looked(*cut, EchoRound(3, 10, 10, 0.2))
    assert "packet-loss" in problems(fresh, after)
    assert problems(watch, after) == set()


def test_what_lost_its_server_is_told_once_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    job = (
        "jobs: {job: {services: {a: {on: mini1, command: a, listen: 'fabric:6000'}, "
        "b: {on: [mini2, mini3], command: b, after: [a]}}}}\n"
    )
    fleet = load_text(GUIDE + job, "nodes.yaml")
    world = World(fleet, job=fleet.jobs["job"])

    async def nobody(_node: Node, _wake: Wake) -> AsyncGenerator[Look, None]:
        return
        yield

    watched = Watch(
        fleet,
        world.job,
        lambda: (fleet, world.expectations),
        nobody,
        interval_s=2,
        depth="status",
    )

    def told(now_s: float) -> list[str]:
        clock = SimpleNamespace(monotonic=lambda: now_s, time=time.time)
        monkeypatch.setattr(watch_module, "time", clock)
        for name in world.hosts:
            watched._take(name, world.look(name, "status"))
        return [p.summary for p in watched.snapshot().status.problems]

    assert told(0.0) == []
    world.alone.add("b@mini2")
    assert [told(now_s) for now_s in (2.0, 4.0, 14.0)] == [[]] * 3
    lost = ["b@mini2 has no connection to a on mini1, which runs: b@mini3 holds its own"]
    assert told(18.0) == lost
    alone = watched.snapshot().status.services["b@mini2"]
    assert (alone.state, alone.reason) == (
        "ready",
        "works alone: it has no connection to what it starts after",
    )
    world.alone.clear()
    assert told(20.0) == []


def test_what_was_seen_before_this_machine_slept_is_not_known_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also not when a node was started: its uptime of then would be one of now."""
    clock = SimpleNamespace(time=time.time, monotonic=time.monotonic)
    monkeypatch.setattr(watch_module, "time", clock)
    answering = asyncio.Event()

    async def look(node: Node, depth: Depth) -> Look:
        await answering.wait()
        if node.name == "other":
            answering.clear()
        return Look(facts=facts())

    async def body() -> None:
        async with watch(look) as watched:
            answering.set()
            await watched.all_asked()
            assert watched.snapshot().complete
            assert states(watched) == {"quick": "ok", "other": "ok"}
            await asyncio.sleep(0.05)  # both wait for an answer
            clock.time = lambda: time.time() + 3600
            slept = watched.snapshot()
            assert not slept.complete
            assert states(watched) == {"quick": "unknown", "other": "unknown"}
            answering.set()
            await watched.all_asked()
            assert states(watched) == {"quick": "ok", "other": "ok"}

    bounded(body())
