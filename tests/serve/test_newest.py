"""What a server knows of several jobs, which are watched in the same looks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from fleetctl.errors import UsageError
from fleetctl.health.network import of_node
from fleetctl.health.network.rows import Rows, firm_rows
from fleetctl.model.facts import Workplace
from fleetctl.model.jobs import Job
from fleetctl.model.status import FleetStatus
from fleetctl.observe.watch import Watch
from fleetctl.serve.newest import Newest, Question, UnknownJob
from tests.serve.two_jobs import EVALUATES, FLEET, JOBS, SERVER, TRAIN, TRAINS, Nodes, node

Body = Callable[[Newest, Watch], Awaitable[None]]


def watching(nodes: Nodes, body: Body, jobs: Sequence[Job] = JOBS) -> None:
    async def watch() -> None:
        async with nodes.watch(tuple(jobs)) as watched:
            await watched.all_asked()
            newest = Newest(watched, FLEET, jobs, 0.01)
            newest.snapshot()
            await body(newest, watched)

    asyncio.run(asyncio.wait_for(watch(), 20))


async def told(newest: Newest, job: str | None = None, *targets: str) -> FleetStatus:
    return await answer(newest, Question(job, targets))


async def answer(newest: Newest, question: Question) -> FleetStatus:
    found = await newest.json(question)
    assert found
    status = msgspec.json.decode(found[1], type=FleetStatus)
    assert status.healthy == found[0]
    return status


def test_each_job_and_all_of_them_are_told() -> None:
    async def body(newest: Newest, _: Watch) -> None:
        first, named = await told(newest), await told(newest, "train")
        assert first == named
        assert (first.job, first.services["worker@b"].state) == ("train", "ready")
        other = await told(newest, "eval")
        assert (other.job, other.services["worker@b"].state) == ("eval", "failed")
        assert [p.code for p in other.problems] == ["service-failed"]
        every = await told(newest, "all")
        assert (every.job, list(every.jobs)) == (None, ["train", "eval", "later"])
        assert [p.job for p in every.problems if p.code == "service-failed"] == ["eval"]

    watching(Nodes(a=node(SERVER), b=node(TRAINS, failed=(EVALUATES,))), body)


def test_the_network_is_judged_once_for_all_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the same must be true for each of them."""
    made: list[str] = []

    def counted(*args: Any) -> Rows:
        made.append(args[2].name)
        return firm_rows(*args)

    monkeypatch.setattr(of_node, "firm_rows", counted)

    async def body(newest: Newest, _: Watch) -> None:
        assert [p.code for p in (await told(newest, "eval")).problems] == ["service-failed"]
        assert made == ["a", "b"]

    watching(Nodes(a=node(SERVER), b=node(TRAINS, failed=(EVALUATES,))), body)


def test_targets_choose_what_is_listed() -> None:
    async def body(newest: Newest, _: Watch) -> None:
        assert list((await told(newest, None, "a")).services) == ["server@a"]
        every = await told(newest, "all", "worker")
        assert {name: list(job.services) for name, job in every.jobs.items()} == {
            "train": ["worker@b"],
            "eval": ["worker@b"],
            "later": [],
        }
        with pytest.raises(UsageError, match="no node, service or instance"):
            await newest.json(Question(None, ("nothing-like-it",)))

    watching(Nodes(a=node(SERVER), b=node(TRAINS)), body)


def test_what_is_told_is_as_old_as_its_looks() -> None:
    """Also where it was made ready for an earlier question."""

    async def body(newest: Newest, watched: Watch) -> None:
        questions = [Question(*asked) for asked in ((), ("eval",), ("all",), ("all", ("a",)))]
        for _ in range(2):
            for question in questions:
                at_s = (await answer(newest, question)).generated_at.timestamp()
                oldest_s = min(watched.asked_s.values())
                assert at_s <= time.time() - (time.monotonic() - oldest_s) + 0.005
            newest.touched("a")  # nothing from before counts any more
            done_s = time.monotonic()
            for question in questions:
                await answer(newest, question)
                assert watched.asked_s["a"] >= done_s

    watching(Nodes(a=node(SERVER), b=node(TRAINS)), body)


def test_a_job_that_is_not_watched_is_not_told_of() -> None:
    async def body(newest: Newest, _: Watch) -> None:
        assert (await told(newest)).job == "train"
        for job in ("eval", "all", "none-such"):
            with pytest.raises(UnknownJob):
                await newest.json(Question(job))

    watching(Nodes(a=node(SERVER), b=node(TRAINS)), body, (TRAIN,))


def test_what_is_kept_is_of_all_jobs_but_for_what_is_wrong_for_those_that_nobody_runs() -> None:
    async def body(newest: Newest, watched: Watch) -> None:
        kept = newest.snapshot().status
        assert (kept.job, list(kept.jobs)) == (None, ["train", "eval", "later"])
        assert [(p.code, p.job, p.summary) for p in kept.problems] == [
            ("service-failed", "train", "train/worker@b failed: exit code 3"),
            ("service-failed", "eval", "eval/worker@b failed: exit code 3"),
        ]
        assert [p.affects for p in kept.problems] == [("train/worker@b",), ("eval/worker@b",)]
        [later] = (await told(newest, "later")).problems  # its folder is not there
        assert later.code == "workdir-missing"

    lacks = {("later", "report@a"): Workplace("missing", None)}
    a, b = replace(node(SERVER), workplaces=lacks), node(failed=(TRAINS, EVALUATES))
    watching(Nodes(a=a, b=b), body)


def test_a_job_whose_app_is_not_asked_is_not_told_of() -> None:
    async def body(newest: Newest, _: Watch) -> None:
        for job in ("later", "all"):
            assert await newest.json(Question(job)) is None
        assert (await told(newest, "eval")).services["worker@b"].state == "ready"
        assert list((await told(newest, "later", "report")).services) == ["report@a"]

    nodes = Nodes(a=node(SERVER), b=node(TRAINS, EVALUATES))
    nodes.app = None
    watching(nodes, body)


def test_an_app_that_answers_does_not_mean_that_its_job_is_wanted() -> None:
    async def body(newest: Newest, _: Watch) -> None:
        assert (await told(newest, "later")).services["app@pad"].state == "ready"
        kept = newest.snapshot().status
        assert kept.jobs["later"].services["app@pad"].state == "ready"
        assert kept.problems == ()

    lacks = {("later", "report@a"): Workplace("missing", None)}
    nodes = Nodes(a=replace(node(SERVER), workplaces=lacks), b=node(TRAINS, EVALUATES))
    nodes.app = True
    watching(nodes, body)


def test_the_only_job_is_kept_as_it_is_told() -> None:
    async def body(newest: Newest, _: Watch) -> None:
        kept = newest.snapshot().status
        assert (kept.job, list(kept.jobs)) == ("train", ["eval", "later"])

    watching(Nodes(a=node(SERVER), b=node(TRAINS)), body, (TRAIN,))


def test_all_jobs_are_as_old_as_the_first_which_they_are_told_of() -> None:
    async def body(newest: Newest, _: Watch) -> None:
        await asyncio.sleep(0.2)  # it grows older before somebody asks
        first, every = await told(newest), await told(newest, "all")
        assert first.generated_at == every.generated_at

    watching(Nodes(a=node(SERVER), b=node(TRAINS)), body)
