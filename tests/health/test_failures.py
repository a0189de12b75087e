"""Of instances that fail within seconds the first is told, where clocks are known well enough."""

from __future__ import annotations

import pytest

from fleetctl.cli.render import status_lines
from fleetctl.health.failures import in_order_of_failure
from fleetctl.health.instance_problems import service_problems
from fleetctl.health.services import service_status
from fleetctl.model.facts import NodeFacts
from fleetctl.model.status import SCHEMA, FleetStatus, ServiceStatus
from fleetctl.tui.sheets import service_words
from tests.health.facts import NOW, ago, facts, pane, record
from tests.health.test_unexplained import CLUSTER
from tests.launch.jobs import job

JOB = job({"w": (["a", "b", "c"], [])})


def failed(
    *ends: tuple[float, float | None],
) -> tuple[dict[str, ServiceStatus], dict[str, NodeFacts]]:
    """By instance, how many seconds ago it failed, and by how much that may be wrong."""
    told, statuses = {}, {}
    for i, (ended_s, error_s) in zip(JOB.instances, ends, strict=False):
        end = {"phase": "ended", "exit_code": 1, "pid": None, "ended_at": ago(ended_s)}
        of = record(i, **end, ended_error_s=error_s)
        told[i.node] = facts(pane(i, dead=True, dead_status=1), of)
        statuses[i.name] = service_status("fleet", i, told[i.node])
    return statuses, told


def order(*ends: tuple[float, float | None]) -> dict[str, str]:
    return in_order_of_failure(JOB, *failed(*ends))


def test_the_first_is_told_and_by_the_others_too() -> None:
    assert order((2.0, 0.1), (3.5, 0.1), (1.0, 1.0)) == {
        "w@b": "it failed first, 1.5 s before 2 others",
        "w@a": "w@b failed first, 1.5 s before",
        "w@c": "w@b failed first, 2.5 s before",
    }


@pytest.mark.parametrize(
    "ends",
    [
        [(2.0, 0.1), (2.2, 0.1)],
        [(2.0, 1.0), (3.5, 1.0)],
        [(2.0, None), (9.0, 0.1)],
        [(2.0, 0.1), (12.1, 0.1)],
        [(2.0, 0.1)],
    ],
    ids=["too close", "whole seconds", "a clock that is not known", "long after", "alone"],
)
def test_what_is_not_proved_is_not_told(ends: list[tuple[float, float | None]]) -> None:
    assert order(*ends) == {}


def test_it_is_in_the_problems() -> None:
    statuses, told = failed((2.0, 0.1), (3.5, 0.1))
    found = [p.summary for p in service_problems(CLUSTER, JOB, statuses, told)]
    assert found == [
        "w@a failed: exit code 1; w@b failed first, 1.5 s before",
        "w@b failed: exit code 1; it failed first, 1.5 s before w@a",
    ]
    assert statuses["w@a"].ended_at == ago(2.0)


def test_since_of_what_ended_counts_from_its_end() -> None:
    statuses, _ = failed((125.0, 0.1))
    shown = FleetStatus(SCHEMA, "fleet", "job", NOW, 0.1, True, {}, statuses, ())
    [row] = [line for line in status_lines(shown) if line.startswith("w@a")]
    assert row.split()[1:4] == ["✖", "failed", "2m05s"]
    assert "ended 2026-01-31 11:57:55 UTC" in service_words(statuses["w@a"])
