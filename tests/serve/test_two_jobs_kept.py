"""Of two jobs with an instance of one name it is kept and told of which one something happened."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from fleetctl.alerts.causes import Past, causes, is_over, wanted
from fleetctl.cli.event_lines import concerns
from fleetctl.config import load_text
from fleetctl.health.changes import Changes
from fleetctl.health.samples import samples
from fleetctl.model.actions import Note, events_of
from fleetctl.model.alerts import Cause
from fleetctl.model.events import Actor, Event
from fleetctl.model.facts import NodeFacts
from fleetctl.serve.newest import Newest
from fleetctl.serve.observing import line
from fleetctl.undertakings import Snapshot
from tests.serve.two_jobs import EVALUATES, FLEET, JOBS, SERVER, TEXT, TRAINS, Nodes, node

WELL = node(TRAINS, EVALUATES)
EVAL_FAILED = node(TRAINS, failed=(EVALUATES,))
BOTH_FAILED = node(failed=(TRAINS, EVALUATES))


def seen(*on_b: NodeFacts) -> list[Snapshot]:
    """What a server keeps while node b says one after the other."""

    async def watch() -> list[Snapshot]:
        found = []
        for said in on_b:
            async with Nodes(a=node(SERVER), b=said).watch() as watched:
                await watched.all_asked()
                found.append(Newest(watched, FLEET, JOBS, 0.01).snapshot())
        return found

    return asyncio.run(asyncio.wait_for(watch(), 20))


def changes(*on_b: NodeFacts) -> dict[str, Event]:
    """By key: the events."""
    folded = Changes()
    return {e.key: e for one in seen(*on_b) for e in folded.look(one.status)}


def test_an_event_says_of_which_job_it_is() -> None:
    [event] = changes(WELL, EVAL_FAILED).values()
    assert (event.subject, event.job) == ("worker@b", "eval")
    assert event.text.startswith("eval/worker@b is failed")
    assert line(event).partition(" ")[2].startswith("eval/worker@b is failed")
    assert concerns(event, ["worker@b"]) and concerns(event, ["eval"])
    assert not concerns(event, ["train"])


def test_two_failures_of_one_name_are_two_events_and_each_is_over_by_itself() -> None:
    found = changes(WELL, BOTH_FAILED, EVAL_FAILED)
    told = {event.job: event for event in found.values()}
    assert (len(found), set(told)) == (2, {"train", "eval"})
    assert (told["train"].end, told["eval"].end) == ("ready again", "")


def test_an_action_on_one_job_is_not_why_the_other_changed() -> None:
    """Also where both have changed at the same time."""
    folded, snapshots = Changes(), seen(WELL, node(TRAINS), node())
    folded.look(snapshots[0].status)
    at = snapshots[0].status.generated_at
    by = Actor("ann", "laptop", "fleetctl --job eval stop")
    note = Note("1", at, "stop", by, "eval", ("worker@b",))
    folded.heard(events_of({"b": (note,)}, at + timedelta(seconds=1)))
    assert folded.look(snapshots[1].status) == ()  # the action itself tells it
    [other] = folded.look(snapshots[2].status)
    assert (other.job, other.by) == ("train", None)


def test_values_are_kept_of_all_jobs() -> None:
    [one] = seen(EVAL_FAILED)
    kept = {(s.series.subject, s.series.metric): s.value for s in samples(one.checked)}
    assert kept["train/worker@b", "ready"] == 1
    assert kept["eval/worker@b", "ready"] == 0
    assert kept["later/report@a", "ready"] == 0
    assert (kept["train", "ready"], kept["eval", "ready"]) == (2, 0)


def alerts(snapshot: Snapshot, before: Snapshot) -> Iterator[Cause]:
    past = Past(before.status.generated_at, before.status.generated_at)
    past.take(before.status)
    return causes(snapshot.status, FLEET, past)


def test_an_alert_says_of_which_job_it_is_and_is_over_with_it() -> None:
    well, one, both = seen(WELL, EVAL_FAILED, BOTH_FAILED)
    [failed, lost] = (c for c in alerts(one, well) if c.kind in ("job-failed", "rank-lost"))
    assert (failed.job, failed.subject) == ("eval", "eval")
    assert (lost.job, lost.subject) == ("eval", "eval/worker@b")
    assert lost.text.startswith("eval/worker@b failed: exit code 3")
    assert lost.do == tuple(
        f"fleetctl --job eval {what} worker@b" for what in ("postmortem", "logs")
    )
    keys = [cause.key for cause in alerts(both, well)]
    assert len(keys) == len(set(keys))
    assert is_over(lost, well.status)
    of_train = next(c for c in alerts(both, well) if c.subject == "train/worker@b")
    assert is_over(of_train, one.status)


@pytest.mark.parametrize(
    ("only", "told"),
    [
        ("jobs: [train]", ["train/worker@b"]),
        ("targets: [worker@b]", ["train/worker@b", "eval/worker@b"]),
        ("targets: [b]", ["train/worker@b", "eval/worker@b"]),
        ("targets: [server]", []),
    ],
)
def test_a_rule_may_be_for_one_of_them(only: str, told: list[str]) -> None:
    fleet = load_text(f"{TEXT}alerts: [{{on: rank-lost, to: desktop, {only}}}]\n", "nodes.yaml")
    well, both = seen(WELL, BOTH_FAILED)
    found = [c for c in alerts(both, well) if wanted(c, fleet.alerts[0], fleet)]
    assert [cause.subject for cause in found] == told


def test_metrics_have_the_job_of_an_instance_and_of_a_problem(client_home: Path) -> None:
    pytest.importorskip("prometheus_client")
    from fleetctl.serve.page.metrics import Metrics

    [one] = seen(BOTH_FAILED)
    metrics = Metrics()
    metrics.take(one)
    text = metrics.text("")[0].decode()
    for job in ("train", "eval"):
        state = f'fleetctl_instance_state="failed",job="{job}",node="b",service="worker"'
        assert f'fleetctl_instance_state{{fleet="fleet",{state}}} 1.0' in text
        problem = f'fleet="fleet",job="{job}",node="b",severity="error"'
        assert f'fleetctl_problems{{code="service-failed",{problem}}} 1.0' in text
