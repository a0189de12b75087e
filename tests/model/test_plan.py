"""The order in which instances start, and the groups in which they stop."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from fleetctl.health.services import unknown_status
from fleetctl.model.jobs import Job, Until
from fleetctl.model.plan import dependents, met, plan, stop_order, unmet
from fleetctl.model.ready import Ready
from fleetctl.model.status import ServiceState
from tests.launch.jobs import Shape, instance, job

CHAIN: Shape = {  # not in the order of starting
    "web": (["a"], ["api"]),
    "db": (["b"], []),
    "api": (["a", "b"], ["db", "cache"]),
    "cache": (["c"], []),
    "cron": (["c"], ["db"]),
}


def chosen(of: Job, *names: str) -> list[str]:
    """The plan for the instances called ``names``, as "stage name"."""
    picked = [i for i in of.instances if i.name in names] if names else list(of.instances)
    return [f"{step.stage} {step.instance.name}" for step in plan(of, picked)]


def test_stages_follow_after_and_keep_the_order_of_the_file() -> None:
    assert chosen(job(CHAIN)) == [
        "0 db@b",
        "0 cache@c",
        "1 api@a",
        "1 api@b",
        "1 cron@c",
        "2 web@a",
    ]


@pytest.mark.parametrize(
    ("names", "steps"),
    [
        (["web@a"], ["0 web@a"]),
        (["db@b", "web@a"], ["0 db@b", "1 web@a"]),
        (["api@b", "cron@c"], ["0 api@b", "0 cron@c"]),
        (["unheard-of"], []),
    ],
)
def test_a_part_begins_at_its_own_first_stage(names: list[str], steps: list[str]) -> None:
    assert chosen(job(CHAIN), *names) == steps


def test_a_step_needs_all_instances_of_its_dependencies_chosen_or_not() -> None:
    of = job(CHAIN)
    (step,) = plan(of, [i for i in of.instances if i.name == "web@a"])
    assert [i.name for i in step.needs] == ["api@a", "api@b"]
    (first, *_) = plan(of, of.instances)
    assert first.needs == ()


def test_what_is_started_by_hand_has_a_step_too() -> None:
    of = job({"hand": (["a"], []), "next": (["b"], ["hand"])}, hand={"command": None})
    assert chosen(of) == ["0 hand@a", "1 next@b"]


def test_stopping_is_in_the_reverse_order() -> None:
    of = job(CHAIN)
    groups = [[i.name for i in group] for group in stop_order(of, of.instances)]
    assert groups == [["web@a"], ["api@a", "api@b", "cron@c"], ["db@b", "cache@c"]]
    part = [i for i in of.instances if i.name in ("web@a", "db@b")]
    assert [[i.name for i in group] for group in stop_order(of, part)] == [["web@a"], ["db@b"]]
    assert stop_order(of, []) == ()


@pytest.mark.parametrize(
    ("service", "waiting"),
    [
        ("db", ("web", "api", "cron")),
        ("cache", ("web", "api")),
        ("api", ("web",)),
        ("web", ()),
    ],
)
def test_dependents(service: str, waiting: tuple[str, ...]) -> None:
    assert dependents(job(CHAIN), service) == waiting


@pytest.mark.parametrize(
    ("state", "said"),
    [("ready", []), ("running", ["db@b is running"]), ("unknown", ["db@b is unknown"])],
)
def test_unmet(state: ServiceState, said: list[str]) -> None:
    need, other = instance("db", "b"), instance("db", "c")
    status = msgspec.structs.replace(unknown_status(need, "a test"), state=state)
    assert unmet(need, [need, other], {need.name: status}) == said  # the other one is not known


@pytest.mark.parametrize(
    ("until", "states"),
    [
        ("started", {"running", "ready", "unhealthy", "exited"}),
        ("ready", {"ready", "exited"}),
        ("exited-ok", {"exited"}),
    ],
)
def test_what_is_waited_for(until: Until, states: set[ServiceState]) -> None:
    need = instance("db", "b")
    found = {
        state
        for state in get_args(ServiceState)
        if met(need, msgspec.structs.replace(unknown_status(need, "a test"), state=state), until)
    }
    assert found == states


def test_what_runs_once_is_ready_for_others_once_it_is_done() -> None:
    served = instance("db", "b", ready=Ready("log", "up"))
    exited = msgspec.structs.replace(unknown_status(served, ""), state="exited")
    assert not met(served, exited, "ready")
    assert met(msgspec.structs.replace(served, once=True), exited, "ready")


def test_what_is_started_by_hand_has_started_when_it_answers() -> None:
    need = instance("db", "b", command=None, ready=Ready("connect", "b:1"))
    running, ready = (
        msgspec.structs.replace(unknown_status(need, "a test"), state=state)
        for state in ("running", "ready")
    )
    assert not met(need, running, "started")
    assert met(need, ready, "started")


def test_one_that_is_to_end_has_not_ended_yet() -> None:
    need, waiting = instance("db", "b"), instance("web", "a", until={"db": "exited-ok"})
    ready, stopped = (
        msgspec.structs.replace(unknown_status(need, "a test"), state=state)
        for state in ("ready", "stopped")
    )
    assert unmet(waiting, [need], {need.name: ready}) == ["db@b has not ended yet"]
    assert unmet(waiting, [need], {need.name: stopped}) == ["db@b is stopped"]
