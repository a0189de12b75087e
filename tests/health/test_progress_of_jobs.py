"""How far instances are, by the steps that they printed: rate, age, lag, the job as a whole."""

from __future__ import annotations

from typing import Any

import pytest

from fleetctl.health.progress import NO_STEPS, job_progress, of_steps
from fleetctl.model.jobs import Instance, Job, Service
from fleetctl.model.progress_status import JobProgress
from fleetctl.model.status import ServiceState, ServiceStatus
from fleetctl.model.steps import StepReading, Steps
from tests.health.facts import facts, with_progress
from tests.launch.jobs import instance


def steps(*at: tuple[float, int], now: float, **more: Any) -> Steps:
    return Steps(now, tuple(StepReading(s, n) for s, n in at), **more)


@pytest.mark.parametrize(
    ("found", "rate", "since", "reason"),
    [
        (steps((100, 10), (110, 50), now=111), 4.0, 1, None),
        (steps((100, 10), (102, 18), now=103), None, 1, "its rate needs two steps at least 5 s"),
        (steps((100, 10), (102, 18), now=103, steps_per_s=3.9), 3.9, 1, None),
        (steps((100, 10), now=103), None, 3, "its rate needs two steps"),
        # it went silent: the rate is that up to now, not that of better times
        (steps((100, 10), (110, 50), now=180), 0.5, 70, None),
        (steps((100, 10), now=400, steps_per_s=3.9), None, 300, "no new step for 300 s"),
        # only the last minutes count
        (steps((0, 0), (1000, 10), (1100, 110), now=1101), 1.0, 1, None),
        (steps(now=100), None, None, NO_STEPS),
        (steps(now=100, why="its progress is slow"), None, None, "its progress is slow"),
        (steps((1, 1), (9, 9), now=9, loss=float("nan")), 1.0, 0, "its loss is nan"),
    ],
)
def test_rate_and_age(found: Steps, rate: float | None, since: int | None, reason: str) -> None:
    status = of_steps(found)
    assert (status.steps_per_s, status.since_step_s) == (rate, since)
    assert (status.reason or "").startswith(reason or "")
    assert (status.reason is None) is (reason is None)


WORKERS = tuple(instance(node=node) for node in ("a", "b", "c", "d"))
JOB = Job("job", {"worker": Service((), WORKERS)})


def status_of(one: Instance, state: ServiceState = "ready") -> ServiceStatus:
    return ServiceStatus(one.service, one.node, one.rank, state)


def judged(*known: Steps | None, **states: ServiceState) -> dict[str, ServiceStatus]:
    statuses = {i.name: status_of(i, states.get(i.node, "ready")) for i in WORKERS}
    told = {
        i.node: facts(steps={(i.job, i.name): found} if found else {})
        for i, found in zip(WORKERS, known, strict=True)
    }
    return with_progress(JOB, statuses, told)


def test_each_rank_is_compared_with_the_median() -> None:
    at = [steps((1, 0), (11, n), now=12, loss=n / 100) for n in (100, 110, 50)]
    found = judged(*at, None, d="stopped")
    known = [found[i.name].progress for i in WORKERS[:3]]
    behind = [p.behind_steps if p else None for p in known]
    assert behind == [0, -10, 50]
    assert found[WORKERS[3].name].progress is None
    assert job_progress(JOB, found) == JobProgress("worker", 110, 10.0, 1.0)


def test_alone_nobody_is_behind_and_without_steps_nothing_is_known() -> None:
    found = judged(steps((1, 0), (11, 20), now=12), steps(now=12, tokens_per_s=30.0), None, None)
    first, second, third, _ = (found[i.name].progress for i in WORKERS)
    assert first and second and third
    assert first.behind_steps is None
    assert (second.step, second.tokens_per_s, second.reason) == (None, 30.0, NO_STEPS)
    assert third.reason == "its log was not read yet"
    assert job_progress(JOB, found) == JobProgress("worker", 20, 2.0, tokens_per_s=30.0)
    found = judged(steps(now=12, requests_per_s=4.0), None, None, None)
    told = job_progress(JOB, found)
    assert told is not None
    assert (told.requests_per_s, told.reason) == (4.0, "no instance prints its steps")
    found = judged(steps(now=12, requests_per_s=4.0), steps(now=12, requests_per_s=5.0), None, None)
    told = job_progress(JOB, found)
    assert told is not None
    assert told.requests_per_s is None, "which of them counts is not known"


def test_a_job_that_prints_no_steps_says_so() -> None:
    found = judged(steps(now=1), None, None, None)
    assert job_progress(JOB, found) == JobProgress(reason="no instance prints its steps")
    stopped = judged(None, None, None, None, a="stopped", b="stopped", c="failed", d="unknown")
    assert job_progress(JOB, stopped) is None
