"""The first line: whether the job moves, and which node is the problem."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from fleetctl.model.node_status import ForwardingStatus, NodeStatus, SSHStatus
from fleetctl.model.progress_status import JobProgress, ProgressStatus
from fleetctl.model.status import FleetStatus, Problem, ServiceStatus
from fleetctl.tui.eliding import among, apart, middle
from fleetctl.tui.job_line import Trend, idle_ranks, job_state, troubles, waiting_ranks
from fleetctl.tui.widgets.headline import headline

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NODES = ("mini1", "mini2", "mini3", "pi4", "pi5")


def rank(node: str, state: str = "ready", since_s: int = 1, step: int = 7739) -> ServiceStatus:
    progress = ProgressStatus(step, 3.9, since_s, 0, 2.05) if state == "ready" else None
    return ServiceStatus("worker", node, 1, state, progress=progress)  # type: ignore[arg-type]


def status_of(
    changed: Mapping[str, ServiceStatus] | None = None,
    problems: tuple[Problem, ...] = (),
    rate: float | None = 3.9,
) -> FleetStatus:
    services = {f"worker@{n}": (changed or {}).get(n, rank(n)) for n in NODES}
    return FleetStatus(
        schema="",
        fleet="smolcluster",
        job="edp",
        generated_at=NOON,
        duration_s=0,
        healthy=True,
        nodes={},
        services=services,
        problems=problems,
        progress=JobProgress("worker", 7739, rate, 2.05),
    )


def node(*, reachable: bool) -> NodeStatus:
    state = "degraded" if reachable else "unreachable"
    forwarding = ForwardingStatus(expected=False)
    return NodeStatus(state, SSHStatus(reachable), None, (), (), forwarding, (), ())  # type: ignore[arg-type]


def test_the_line_of_a_degraded_job() -> None:
    status = status_of({"pi5": rank("pi5", since_s=45)})
    line = headline("smolcluster", "edp", status, 130, {}, "↓").plain
    assert (
        "edp ▲ degraded · step 7 739 · 3.9 it/s · loss 2.05 ↓ · 4/5 ranks · pi5 silent 45 s" in line
    )


FORWARDING = Problem("forwarding-off", "error", "", node="mini3", affects=("pi4",))
LAGS = Problem("straggler", "warning", "", node="pi4", affects=("worker@pi4",))
SILENT = Problem("service-silent", "warning", "", node="pi4", affects=("worker@pi4",))
INCOMPLETE = Problem("answer-incomplete", "error", "", node="pi5", affects=("worker@pi5",))
OPEN = Problem("listen-exposed", "warning", "", node="pi4", affects=("worker@pi4",))


@pytest.mark.parametrize(
    ("changed", "problems", "word", "said"),
    [
        ({}, (), "moving", []),
        ({}, (OPEN,), "moving", []),
        ({n: rank(n, since_s=70) for n in NODES}, (), "stalled", []),
        ({"pi5": rank("pi5", "failed")}, (), "degraded", ["pi5 failed"]),
        ({"pi5": rank("pi5", "unknown")}, (), "degraded", ["pi5 lost 8 s"]),
        ({"pi5": rank("pi5", "stopped")}, (), "degraded", ["pi5 stopped"]),
        ({"pi4": rank("pi4", "starting")}, (), "starting", []),
        ({}, (LAGS,), "degraded", ["pi4 lags"]),
        ({n: rank(n, since_s=47) for n in NODES}, (SILENT,), "stalled", ["pi4 silent 47 s"]),
        ({}, (FORWARDING,), "degraded", ["mini3 forwarding-off"]),
        ({n: rank(n, "stopped") for n in NODES}, (FORWARDING,), "stopped", []),
        ({n: rank(n, "failed") for n in NODES}, (), "failed", []),
        (
            {n: rank(n, "unknown") for n in NODES},
            (),
            "unknown",
            ["pi5 lost 8 s", *(f"{n} unknown" for n in NODES[:-1])],
        ),
    ],
)
def test_each_state_and_who_is_to_blame(
    changed: dict[str, ServiceStatus], problems: tuple[Problem, ...], word: str, said: list[str]
) -> None:
    status = replace(status_of(changed, problems), nodes={"pi5": node(reachable=False)})
    found = troubles(status, {"pi5": NOON - timedelta(seconds=8)})
    assert [f"{trouble.name} {trouble.said}" for trouble in found] == said
    assert job_state(status, found) == word


@pytest.mark.parametrize("problems", [(), (INCOMPLETE,)])
def test_a_node_that_answers_is_not_lost(problems: tuple[Problem, ...]) -> None:
    """It answers, but not to everything."""
    status = status_of({"pi5": rank("pi5", "unknown")}, problems)
    found = troubles(replace(status, nodes={"pi5": node(reachable=True)}), {"pi5": NOON})
    said = "answer-incomplete" if problems else "unknown"
    assert [f"{trouble.name} {trouble.said}" for trouble in found] == [f"pi5 {said}"]


@pytest.mark.parametrize("problems", [(), (FORWARDING, LAGS)])
@pytest.mark.parametrize("width", [20, 40, 80, 130, 300])
def test_it_fits_and_its_job_and_state_are_never_dropped(width: int, problems: Any) -> None:
    line = headline("smolcluster", "edp", status_of(problems=problems), width).plain
    assert len(line) <= width
    assert line.lstrip().removeprefix("smolcluster · ").startswith("edp ")
    assert ("degraded" if problems else "moving") in line
    if width >= 80:
        assert "step 7 739" in line
        assert not problems or "mini3 forwarding-off" in line


LATE = status_of({"pi5": rank("pi5", since_s=45)})


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (72, " edp ▲ degraded · step 7 739 · 3.9 it/s · 4/5 ranks · pi5 silent 45 s "),
        (61, " edp ▲ degraded · step 7 739 · 4/5 ranks · pi5 silent 45 s "),
        (58, " edp ▲ degraded · step 7 739 · 3.9 it/s · pi5 silent 45 s "),
    ],
)
def test_what_fits_is_shown_though_something_larger_does_not(width: int, line: str) -> None:
    assert headline("smolcluster", "edp", LATE, width).plain.rstrip() == line.rstrip()


def test_the_problem_shows_beside_a_long_name_of_a_job() -> None:
    line = headline("f", "a-gradient-worker-with-a-long-name", LATE, 80).plain
    assert line.startswith(" a-gradient-wo…-a-long-name ▲ degraded · ")
    assert "pi5 silent 45 s" in line


def test_a_stalled_job_is_not_said_to_have_no_problem() -> None:
    still = status_of({n: rank(n, since_s=70) for n in NODES})
    assert "no problem" in headline("f", "edp", status_of(), 130).plain
    line = headline("f", "edp", still, 130).plain
    assert "✖ stalled" in line
    assert "no step for 1m10s" in line
    assert "no problem" not in line


def test_ranks_of_a_stalled_job_are_idle() -> None:
    still = {n: rank(n, since_s=70) for n in NODES[1:]} | {"mini1": rank("mini1", "failed")}
    said = waiting_ranks(status_of(still))
    assert said == {f"worker@{n}": "idle 1m10s" for n in NODES[1:]}
    assert idle_ranks(status_of(still)) == said.keys()
    assert waiting_ranks(LATE) == {}


def test_a_slow_job_is_not_stalled() -> None:
    slow = {n: rank(n, since_s=200) for n in NODES}
    assert job_state(status_of(slow, rate=1 / 60), ()) == "moving"


def test_the_loss_has_a_trend_once_enough_was_seen() -> None:
    trend = Trend()
    arrows = []
    for step, loss in enumerate((3.0, 2.5, 2.2, 2.0)):
        trend.take(JobProgress("worker", step, loss=loss))
        trend.take(JobProgress("worker", step, loss=loss))  # the same step says nothing new
        arrows.append(trend.arrow)
    assert arrows == ["", "", "", "↓"]
    for step in range(5, 40):
        trend.take(JobProgress("worker", step, loss=2.0))
    assert trend.arrow == "→"
    trend.take(JobProgress("worker", 0, loss=9.0))  # it began anew
    assert trend.arrow == ""


def test_a_server_says_what_it_does() -> None:
    progress = JobProgress(tokens_per_s=41.25, reason="no instance prints its steps")
    status = replace(status_of(), progress=progress)
    assert "edp ● ready · 41.2 tok/s · 5/5 ready" in headline("f", "edp", status, 100).plain
    status = replace(status, progress=replace(progress, requests_per_s=12.34))
    said = headline("f", "edp", status, 100).plain
    assert "edp ● ready · 12.3 requests/s · 41.2 tok/s · 5/5 ready" in said


@pytest.mark.parametrize(
    ("name", "columns", "shown"),
    [
        ("worker@pi5", 10, "worker@pi5"),
        ("train-worker@rack-mac-mini-2", 17, "train-w…@…-mini-2"),
        ("worker@rack-two-shelf-mini-2", 17, "worker@…lf-mini-2"),
        ("rack-mac-mini-2", 7, "rac…i-2"),
        ("gradient-worker on 195 nodes", 16, "gr… on 195 nodes"),
        ("gradient-worker on 195 nodes", 12, "195 nodes"),
        ("gradient-worker on 195 nodes", 6, "gra…es"),
        ("abc", 1, "…"),
    ],
)
def test_a_long_name_keeps_both_ends(name: str, columns: int, shown: str) -> None:
    assert middle(name, columns) == shown


def test_long_names_can_be_told_apart() -> None:
    names = tuple(f"rack-two-shelf-{n:03}-mac-mini" for n in range(200))
    for columns in (8, 12, 20):
        short = apart(names, columns)
        assert len(set(short.values())) == 200
        assert all(len(said) <= columns for said in short.values())
    assert among(names[6], names, 12) == "rack…006…ini"
    assert among("gone-since-then", names, 9) == "gone…then"


def test_a_job_of_which_nothing_is_known_names_the_node_that_is_lost() -> None:
    lost = {n: rank(n, "unknown") for n in NODES}
    status = replace(status_of(lost), nodes={"pi5": node(reachable=False)}, progress=None)
    heard = {"pi5": NOON - timedelta(seconds=31)}
    assert "edp ? unknown" in headline("smolcluster", "edp", status, 130, heard).plain
    assert "pi5 lost 31 s" in headline("smolcluster", "edp", status, 130, heard).plain
    stopped = {n: rank(n, "stopped") for n in NODES}
    assert troubles(replace(status, services=status_of(stopped).services), heard) == ()
