"""What runs beside the job's instances is told, with the reason, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from fleetctl.health.orphans import orphans
from fleetctl.model.facts import NodeFacts
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.status import OrphanStatus
from tests.health.facts import PID, ago, facts, pane, record, running
from tests.health.test_assess import JOB, fleet, look, told, well
from tests.launch.jobs import instance

OLD = instance("old", "b")
OTHER = Job("other", {"old": replace(JOB.services["web"], instances=(OLD,))})


def found(known: NodeFacts, of_job: Job | None = JOB, **jobs: Job) -> list[OrphanStatus]:
    of = replace(fleet(), jobs={"job": JOB, **jobs})
    return [orphan for _, orphan in orphans(of, of_job, "b", known)]


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        (OLD, "its job job has no service old in nodes.yaml"),
        (instance("server", "b"), "server of job job is not on b in nodes.yaml"),
        (replace(OLD, job="gone"), "nodes.yaml has no job gone"),
        (replace(OLD, job="other"), "it belongs to job other, not to job"),
    ],
)
def test_why_it_is_an_orphan(of: Instance, reason: str) -> None:
    [orphan] = found(running(of), other=OTHER)
    assert (orphan.name, orphan.job, orphan.state, orphan.pid) == (of.name, of.job, "running", PID)
    assert orphan.reason == reason
    assert orphan.started_at == ago(30)


def test_a_job_of_its_own_has_no_orphans() -> None:
    assert found(running(JOB.instances[1])) == []
    [orphan] = found(running(JOB.instances[1]), None)
    assert orphan.reason == "it belongs to job job, not to this one"


@pytest.mark.parametrize(
    "known",
    [
        facts(),
        facts(pane(OLD, dead=True), record(OLD, phase="ended", exit_code=0)),
        facts(record(OLD, phase="stopped"), runs={}),
        facts(record(OLD, phase="running"), runs={}),  # before the reboot
        running(instance("old", "c")),  # of another node of this machine
        facts(pane(OLD, session="another fleet")),
    ],
)
def test_what_does_not_run_is_none(known: NodeFacts) -> None:
    assert found(known) == []


@pytest.mark.parametrize(
    ("state", "more"),
    [
        ("failed", {"phase": "running"}),
        ("failed", {"phase": "ended", "exit_code": 3}),
        ("running", {"phase": "stopped"}),
    ],
)
def test_processes_without_a_window_are_orphans_too(state: str, more: dict[str, Any]) -> None:
    [orphan] = found(facts(record(OLD, **more)))
    assert (orphan.state, orphan.pid) == (state, PID)


def test_it_is_a_warning_and_in_the_status() -> None:
    known = {**well("server@a", "worker@b", "worker@c", "web@c"), "b": running(OLD)}
    window, written = pane(JOB.instances[1]), record(JOB.instances[1])
    known["b"] = facts(window, written, pane(OLD), record(OLD))
    status = look(known)
    assert told(status) == [("service-orphaned", "b", ("old@b",))]
    assert status.healthy
    assert [orphan.name for orphan in status.orphans] == ["old@b"]
    [problem] = status.problems
    assert problem.summary == (
        "old@b runs since 2026-01-31 11:59 UTC, but its job job has no service old in nodes.yaml"
    )
    assert problem.fix and problem.fix.commands == ("fleetctl stop --orphans b",)
