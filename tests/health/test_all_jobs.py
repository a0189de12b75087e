"""Jobs beside the chosen one: told by the same answers, and all of them as one status."""

from __future__ import annotations

from msgspec.structs import replace

from fleetctl.errors import ConnectTimedOut
from fleetctl.health.all_jobs import together
from fleetctl.model.jobs import Job
from fleetctl.model.status import FleetStatus
from fleetctl.model.topology import Fleet
from fleetctl.words.jobs import job_parts
from tests.health.facts import facts, pane, record
from tests.health.test_assess import ALL, JOB, fleet, look, parts, well
from tests.launch.jobs import job

_SERVICES = job({"api": (["a", "b"], []), "page": (["b"], ["api"])}).services
OTHER = Job(
    "other",
    {
        name: replace(one, instances=tuple(replace(i, job="other") for i in one.instances))
        for name, one in _SERVICES.items()
    },
)


def both() -> Fleet:
    return replace(fleet(), jobs={"job": JOB, "other": OTHER})


def line(status: FleetStatus, name: str = "other") -> list[str]:
    return [words for _, words in job_parts(status.jobs[name])]


def test_the_jobs_that_are_not_chosen_are_told_and_no_problem() -> None:
    known = well(*ALL)
    assert line(look(known, both())) == ["3 stopped"]
    api = OTHER.instances[1]
    known["b"] = facts(*parts("worker@b"), pane(api), record(api))
    status = look(known, both())
    assert line(status) == ["1/3 ready", "2 stopped"]
    assert status.jobs["other"].services["api@b"].state == "ready"
    assert status.jobs["other"].alive
    assert list(status.jobs) == ["other"]
    assert [orphan.name for orphan in status.orphans] == ["api@b"]  # still told, as before
    assert status.problems == ()  # nodes.yaml wants it


def test_what_is_left_of_another_job_is_a_problem() -> None:
    gone = replace(OTHER.instances[0], service="old", node="b")
    status = look({**well(), "b": facts(pane(gone), record(gone))}, both())
    assert [p.code for p in status.problems] == ["service-orphaned"]


def test_what_cannot_be_asked_is_unknown_and_not_stopped() -> None:
    status = look({**well(*ALL), "b": ConnectTimedOut("b", "no answer")}, both())
    assert line(status) == ["2 unknown", "1 stopped"]


def test_all_jobs_are_one_status_in_which_none_is_chosen() -> None:
    api = OTHER.instances[1]
    known = {**well("server@a"), "b": ConnectTimedOut("b", "no answer")}
    ended = (pane(api, dead=True), record(api, phase="ended", exit_code=3))
    known["b"] = facts(*ended)
    fleet_ = both()
    status = together([look(known, fleet_, one) for one in fleet_.jobs.values()])
    assert (status.job, status.services, list(status.jobs)) == (None, {}, ["job", "other"])
    assert line(status, "job")[0] == "1/4 ready"
    assert line(status) == ["1 failed", "1 waiting", "1 stopped"]
    assert not status.healthy
    assert "service-failed" in [p.code for p in status.problems]
    assert status.problems[0].severity == "error"
    assert status.nodes["b"].services == ("worker@b", "api@b", "page@b")
    assert status.nodes["b"].state == "degraded"
    assert status.orphans == ()


def test_what_is_wrong_for_two_jobs_is_told_once() -> None:
    known = {**well("server@a"), "b": ConnectTimedOut("b", "no answer")}
    fleet_ = both()
    status = together([look(known, fleet_, one) for one in fleet_.jobs.values()])
    [lost] = [p for p in status.problems if p.node == "b"]
    assert {"worker@b", "api@b"} <= set(lost.affects)
