"""One instance that ended early while others of its service go on is told, and only that."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from fleetctl.health.uneven import uneven
from fleetctl.model.jobs import Job
from fleetctl.model.ready import Ready
from fleetctl.model.status import Problem, ServiceState, ServiceStatus
from tests.health.facts import NOW, ago, facts, record
from tests.launch.jobs import job

JOB = job({"w": (["a", "b", "c"], [])})


def problems_of(
    of: Job = JOB,
    *,
    ended_s_ago: float | None = None,
    others: ServiceState = "ready",
) -> list[Problem]:
    """The first instance is ready, or ended; the others of its service are in one state."""
    statuses = {i.name: ServiceStatus(i.service, i.node, i.rank, others) for i in of.instances}
    known = {}
    first = of.instances[0]
    if ended_s_ago is None:
        statuses[first.name] = replace(statuses[first.name], state="ready")
    else:
        statuses[first.name] = replace(statuses[first.name], state="exited")
        ended = record(first, phase="ended", exit_code=0, ended_at=ago(ended_s_ago), pid=None)
        known[first.node] = facts(ended, measured_at=NOW)
    return list(uneven(of, statuses, known))


def test_what_ended_while_others_run() -> None:
    [problem] = problems_of(ended_s_ago=31)
    assert (problem.code, problem.severity) == ("service-ended-early", "warning")
    assert problem.summary == "w@a ended with exit code 0, while w@b, w@c run on"
    assert problem.affects == ("w@a",)


@pytest.mark.parametrize("others", ["exited", "stopped", "unknown", "restarting"])
def test_what_ended_last_or_among_others_that_are_not_known_is_not_early(
    others: ServiceState,
) -> None:
    assert problems_of(ended_s_ago=31, others=others) == []


def test_those_that_end_together_are_not_early() -> None:
    assert problems_of(ended_s_ago=29) == []


def test_what_prepares_something_for_others_may_end_when_it_likes() -> None:
    of = job({"w": (["a", "b"], []), "train": (["a"], ["w"])})
    assert problems_of(of, ended_s_ago=99, others="ready") == []
    served = job({"w": (["a", "b"], []), "train": (["a"], ["w"])}, w={"ready": Ready("delay", "1")})
    assert len(problems_of(served, ended_s_ago=99)) == 1


def test_what_runs_once_may_end_when_it_likes() -> None:
    assert problems_of(job({"w": (["a", "b"], [])}, w={"once": True}), ended_s_ago=99) == []
