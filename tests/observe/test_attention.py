"""Watching this machine: a probe that hangs is left out, answers of a check are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from fleetctl.config import load_text
from fleetctl.fleet import LiveFleet
from fleetctl.model.facts import NodeFacts
from fleetctl.model.look import Look
from fleetctl.observe import attention, conversation
from fleetctl.observe.attention import Wake, attend

_T = TypeVar("_T")

SERVICE = LiveFleet(
    load_text("fleet: here\nnodes:\n  here: {connection: local}\n", "nodes.yaml"), None
)


def bounded(body: Awaitable[_T]) -> _T:
    return asyncio.run(asyncio.wait_for(body, 30))


async def first(until: Callable[[NodeFacts], bool], wake: Wake | None = None) -> list[Look]:
    """The looks up to the first for which ``until`` is true."""
    found: list[Look] = []
    node = SERVICE.fleet.nodes["here"]
    observer = SERVICE.observer
    conditions = observer.conditions(node)
    looks = attend(observer, node, conditions, wake or Wake(), interval_s=0.1, depth="check")
    async for look in looks:
        found.append(look)
        assert look.facts, look.error
        if until(look.facts):
            break
    await looks.aclose()
    return found


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


def test_a_quick_look_comes_first_and_keeps_answers_of_a_check() -> None:
    looks = bounded(first(lambda facts: facts.reliability.clock_offset_s is not None))
    assert len(looks) == 2
    times = []

    def thrice(facts: NodeFacts) -> bool:
        times.append(facts.reliability.clock_offset_s)
        return len(times) == 4

    bounded(first(thrice))
    assert times[0] is None
    assert times[1] is not None
    assert times[1:] == [times[1]] * 3  # asked once, and kept


def test_waking_asks_everything_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wake = Wake()
    asked: list[float | None] = []

    def until(facts: NodeFacts) -> bool:
        offset = facts.reliability.clock_offset_s
        if offset is not None and offset not in asked:
            asked.append(offset)
            monkeypatch.setattr(
                "fleetctl.probes.asked.clock.time.time", lambda: 1000.0 * len(asked)
            )
            wake.now(deep=True)
        return len(asked) == 3

    bounded(first(until, wake))


def test_of_a_probe_that_hangs_only_its_own_answer_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As df hangs while a network disk is away. It is asked again after a while."""
    programs = tmp_path / "bin"
    programs.mkdir()
    stuck = programs / "df"
    stuck.write_text("#!/bin/sh\nexec sleep 60\n")
    stuck.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setattr(conversation, "LOOK_TIMEOUT_S", 2.5)
    monkeypatch.setattr(attention, "HANGING_TIMEOUT_S", 2.5)
    monkeypatch.setattr(attention, "STUCK_FOR_S", 0.5)

    def known(facts: NodeFacts) -> bool:
        if "system" in facts.unknown and stuck.exists():
            assert "had no answer" in facts.unknown["system"]
            assert facts.network.interfaces is not None
            stuck.unlink()
        return facts.system is not None

    async def body() -> None:
        while not any(known(f) for look in await first(lambda f: True) if (f := look.facts)):
            pass

    bounded(body())
    assert not stuck.exists()


def test_a_better_link_ends_it_between_two_questions() -> None:
    """Whoever watches begins again, over the better one; nothing was lost meanwhile."""

    async def body() -> list[Look]:
        node, observer = SERVICE.fleet.nodes["here"], SERVICE.observer
        conditions = observer.conditions(node)
        found: list[Look] = []
        looks = attend(observer, node, conditions, Wake(), interval_s=0.1, depth="status")
        async for look in looks:
            found.append(look)
            (await observer.link(node)).outdated = True
        return found

    (look,) = bounded(body())
    assert look.error is None
