"""An instance that works without its server is told, and nothing that only connects now and then.

Each step of a story is a look at all nodes: which connections each worker has, by their own ports.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest
from msgspec.structs import replace

from fleetctl.health.contact import Contact, Contacts, Key, contacts, lost, unequal
from fleetctl.health.services import service_status
from fleetctl.model.facts import NodeFacts, TcpConnection
from fleetctl.model.jobs import Job
from fleetctl.model.status import Problem
from tests.health.facts import PID, ago, facts, listener, pane, record
from tests.launch.jobs import job, listen

JOB = job({"s": (["m"], []), "w": (["a", "b", "c"], ["s"])}, s={"listen": listen()})
ALONE = job({"s": (["m"], []), "w": (["a"], ["s"])}, s={"listen": listen()})
SERVER = IPv4Address("10.0.0.1")
NODES = ("a", "b", "c")
Step = tuple[float, dict[str, tuple[int, ...]]]
"""Seconds, and by node the ports of its worker's connections."""


def told(of: Job, ports: dict[str, tuple[int, ...]], **more: Any) -> dict[str, NodeFacts]:
    """All run for ``age_s``; the server listens."""
    started = ago(more.pop("age_s", 60))
    server = of.services["s"].instances[0]
    sockets = (listener("10.0.0.1", 6000, PID),)
    known = {}
    for i in of.instances:
        own = IPv4Address("10.0.0.9")
        links = [TcpConnection(own, SERVER, 6000, (PID,), p) for p in ports.get(i.node, ())]
        known[i.node] = facts(
            pane(i, started_at=started),
            record(i, started_at=started),
            *(sockets if i == server else ()),
            connections=tuple(links),
            **more,
        )
    return known


def problems(
    *steps: Step, of: Job = JOB, known: tuple[Problem, ...] = (), **more: Any
) -> list[Problem]:
    """What is told after ``steps``."""
    seen: dict[Key, Contact] = {}
    found: dict[str, NodeFacts] = {}
    for now_s, ports in steps:
        found = told(of, ports, **more)
        for node, one in found.items():
            seen |= contacts(seen, of, node, one, now_s)
    statuses = {i.name: service_status("fleet", i, found[i.node]) for i in of.instances}
    return list(lost(of, statuses, found, Contacts(seen), known))


TWO = {"a": (), "b": (5,), "c": (6,)}


def test_what_works_alone_while_others_hold_their_connections() -> None:
    (problem,) = problems((0, TWO), (16, TWO))
    assert (problem.code, problem.severity, problem.node) == ("connection-lost", "warning", "a")
    assert problem.summary == (
        "w@a has no connection to s on m, which runs: w@b and w@c hold theirs"
    )
    assert problem.affects == ("w@a",)
    assert problem.evidence == "established connections to 10.0.0.1:6000, looked at for 16s"
    assert problem.fix
    assert problem.fix.commands == ("fleetctl restart w@a",)


def test_two_of_one_server_are_one_problem() -> None:
    one: dict[str, tuple[int, ...]] = {"c": (6,)}
    (problem,) = problems((0, one), (16, one))
    assert problem.summary == (
        "w@a and w@b have no connection to s on m, which runs: w@c holds its own"
    )
    assert (problem.node, problem.affects) == (None, ("w@a", "w@b"))


def test_what_held_one_and_has_none_needs_no_others() -> None:
    steps: list[Step] = [(0, {"a": (5,)}), (40, {"a": (5,)}), (42, {}), (58, {})]
    (problem,) = problems(*steps, of=ALONE)
    assert problem.summary == (
        "w@a has no connection to s on m, which runs: it held one for 40s before"
    )
    assert problems(*steps[:3], of=ALONE) == []


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ([(0, TWO)], "one look"),
        ([(0, TWO), (14, TWO)], "it may connect again"),
        ([(0, TWO), (16, {**TWO, "b": (7,), "c": (8,)})], "all connect anew each time"),
        ([(0, TWO), (10, {**TWO, "a": (4,)}), (16, TWO)], "it connects now and then"),
        ([(0, {}), (16, {})], "nobody has one, and nobody had"),
        ([(0, TWO), (200, TWO)], "nothing is known of the time between"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_told(steps: list[Step], why: str) -> None:
    assert problems(*steps) == [], why


def test_one_that_connects_again_after_long_pauses_is_given_three_of_them() -> None:
    hold: list[Step] = [(0, {"a": (5,)}), (40, {"a": (5,)}), (50, {}), (70, {"a": (6,)})]
    assert problems(*hold, (80, {}), (130, {}), of=ALONE) == []
    assert len(problems(*hold, (80, {}), (141, {}), of=ALONE)) == 1


@pytest.mark.parametrize(
    "more",
    [
        {"age_s": 29},
        {"foreign": frozenset({PID})},
        {"known": (Problem("unreachable", "error", "", "a", ("w@a",)),)},
    ],
    ids=["young", "of another user", "explained"],
)
def test_what_cannot_be_known_or_is_explained(more: dict[str, Any]) -> None:
    assert problems((0, TWO), (16, TWO), **more) == []


def test_nothing_is_missed_of_what_was_to_end_first() -> None:
    workers = tuple(replace(i, until={"s": "exited-ok"}) for i in JOB.services["w"].instances)
    of = replace(JOB, services={**JOB.services, "w": replace(JOB.services["w"], instances=workers)})
    assert problems((0, TWO), (16, TWO), of=of) == []


def test_only_a_difference_is_looked_at_again() -> None:
    assert unequal(JOB, told(JOB, TWO)) == {"a", "b", "c"}
    assert unequal(JOB, told(JOB, {})) == frozenset()
    assert unequal(JOB, told(JOB, {**TWO, "a": (4,)})) == frozenset()
    assert unequal(JOB, told(JOB, TWO, age_s=5)) == frozenset()
