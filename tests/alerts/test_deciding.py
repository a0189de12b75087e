"""Which causes there are, when a rule tells them, and when they are over."""

from __future__ import annotations

from datetime import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fleetctl.alerts.causes import Past, causes, is_over, wanted
from fleetctl.alerts.deciding import MOST_CAUSES, Rule, fold, message
from fleetctl.model.alerts import Message
from fleetctl.model.node_status import SystemStatus
from fleetctl.model.status import FleetStatus, Problem
from fleetctl.model.topology import Fleet
from tests.alerts.seen import (
    BEGIN,
    LOSS,
    WORKERS,
    at,
    failed,
    fleet,
    later,
    link,
    node,
    service,
    status,
)

ALL = "[job-failed, rank-lost, rank-silent, node-lost, link-worse, disk-low, run-done, problem]"
GIB = 1024**3


class Observer:
    """Folds statuses as alerting does, with one rule."""

    def __init__(self, rule: str = f"{{on: {ALL}, to: desktop}}", clock: time = time(12)) -> None:
        self.fleet: Fleet = fleet(f"[{rule}]")
        self.rule = self.fleet.alerts[0]
        self.past = Past(BEGIN, BEGIN)
        self.state = Rule()
        self.clock = clock

    def see(self, seen: FleetStatus) -> list[Message]:
        self.past.take(seen)
        found = [c for c in causes(seen, self.fleet, self.past) if wanted(c, self.rule, self.fleet)]
        now = (seen.generated_at, self.clock)
        said = fold(self.rule, self.state, found, lambda cause: is_over(cause, seen), now)
        return [message("home", self.rule, one, seen.generated_at) for one in said]

    def watch(self, seen: FleetStatus, begin: int, end: int, step: int = 2) -> list[str]:
        """The titles of all that is said while everything stays as it is."""
        return [
            said.title
            for second in range(begin, end, step)
            for said in self.see(later(seen, second))
        ]


def kinds(seen: FleetStatus, before: FleetStatus | None = None) -> list[tuple[str, str]]:
    past = Past(BEGIN, BEGIN)
    for one in (before or status(0), seen):
        past.take(one)
    return [(c.kind, c.subject) for c in causes(seen, fleet(), past)]


def test_all_well_is_nothing() -> None:
    assert kinds(status(2)) == []
    assert Observer().watch(status(0), 0, 300) == []


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        (status(2, failed("worker@b")), [("job-failed", "train"), ("rank-lost", "worker@b")]),
        (status(2, service("worker@b", "exited", exit_code=0)), [("rank-lost", "worker@b")]),
        (status(2, service("worker@b", "stopped")), []),
        (status(2, service("worker@b", "restarting")), []),
        (status(2, b=node("unreachable")), [("node-lost", "b"), ("rank-lost", "worker@b")]),
        (status(2, b=node("unknown")), []),
        (status(2, problems=(LOSS,)), [("link-worse", "a")]),
        (
            status(2, a=node("unreachable"), problems=(LOSS,)),
            [("node-lost", "a"), ("rank-lost", "worker@a")],
        ),
        (
            status(2, b=node(system=SystemStatus(disk_free_bytes=GIB - 1))),
            [("disk-low", "b")],
        ),
        (status(2, b=node(system=SystemStatus())), []),
        (
            status(2, problems=(Problem("forwarding-off", "error", "b does not", "b", ("c",)),)),
            [("problem", "b")],
        ),
        (status(2, problems=(Problem("clock-skew", "warning", "b is late", "b"),)), []),
        (
            status(2, problems=(Problem("service-silent", "warning", "…", None, WORKERS[:2]),)),
            [("rank-silent", "train")],
        ),
        (
            status(2, problems=(Problem("straggler", "warning", "…", "b", ("worker@b",)),)),
            [("straggler", "worker@b")],
        ),
    ],
)
def test_what_is_a_cause(seen: FleetStatus, found: list[tuple[str, str]]) -> None:
    assert kinds(seen) == found


def test_an_elastic_job_fails_when_nothing_of_it_runs() -> None:
    batch = service("batch@a", "running")
    goes_on = status(2, batch, failed("batch@c"))
    assert kinds(goes_on, goes_on) == [("rank-lost", "batch@c")]
    over = status(4, failed("batch@a"), failed("batch@c"))
    assert ("job-failed", "other") in kinds(over, goes_on)
    nothing_known = status(4, failed("batch@a"), service("batch@c", "unknown"))
    assert ("job-failed", "other") not in kinds(nothing_known, goes_on)


def test_a_rank_that_never_ran_is_not_lost() -> None:
    """What had failed before anybody watched, while nothing else of its job runs."""
    stopped = [service(name, "stopped") for name in WORKERS[:2]]
    seen = status(0, *stopped, service("log@c", "exited", exit_code=1))
    assert kinds(seen, seen) == []


def test_it_is_told_after_its_time_once_and_once_that_it_is_over() -> None:
    observer = Observer()
    lost = status(0, failed("worker@b", started_at=at(-60)))
    assert observer.watch(status(0), 0, 10) == []
    assert observer.watch(lost, 10, 40) == []
    [said] = observer.see(later(lost, 40))
    assert (said.state, said.title) == ("raised", "home: job-failed train")
    assert said.causes[0].since == at(10)
    first, second = said.text.splitlines()
    assert first.startswith("job train failed: worker@b failed with exit code 137: killed by")
    assert second == "  fleetctl postmortem worker@b; fleetctl logs worker@b"
    assert observer.watch(lost, 42, 600) == []
    [over] = observer.see(status(600))
    assert (over.state, over.causes[0].until) == ("over", at(600))
    assert over.text.startswith("Over after 9m50s: ")
    assert observer.watch(status(0), 602, 900) == []


def test_what_is_over_before_its_time_is_never_told() -> None:
    observer = Observer()
    assert observer.watch(status(0, failed("worker@b")), 0, 28) == []
    assert observer.watch(status(0), 28, 300) == []


def test_a_cause_is_told_at_most_once_a_minute() -> None:
    """One that comes and goes every few seconds: as it is when its minute is over."""
    observer = Observer("{on: link-worse, to: desktop, for: 0}")
    said = []
    for second in range(0, 600, 2):
        bad = second // 6 % 2 == 0
        seen = status(second, problems=(LOSS,) if bad else (), a=link(not bad))
        said += [(second, one.state) for one in observer.see(seen)]
    times = [second for second, _ in said]
    assert 2 <= len(times) <= 11
    assert min(b - a for a, b in pairwise(times)) >= 60
    assert [state for _, state in said[:2]] == ["raised", "over"]


@pytest.mark.parametrize(("kind", "subject"), [("job-failed", "train"), ("rank-lost", "worker@b")])
def test_what_fails_again_is_told_again_when_its_minute_is_over(kind: str, subject: str) -> None:
    """Somebody mended it, and left; the first message told of the other failure."""
    observer = Observer(f"{{on: {kind}, to: desktop, for: 4s}}")
    first = status(0, service("worker@b", "failed", exit_code=2))
    second = status(0, failed("worker@b"))
    assert observer.watch(status(0), 0, 2) == []
    assert observer.watch(first, 2, 30) == [f"home: {kind} {subject}"]
    assert observer.watch(status(0), 30, 40) == []
    told = [one for s in range(40, 200, 2) for one in observer.see(later(second, s))]
    assert [(one.state, "137" in one.text) for one in told] == [("raised", True)]
    assert told[0].causes[0].since == at(40)
    over = [one for s in range(200, 400, 2) for one in observer.see(later(status(0), s))]
    assert [(one.state, "137" in one.text) for one in over] == [("over", True)]


def test_what_fails_again_for_a_moment_is_over() -> None:
    observer = Observer("{on: rank-lost, to: desktop, for: 4s}")
    broken = status(0, failed("worker@b"))
    observer.watch(status(0), 0, 2)
    assert len(observer.watch(broken, 2, 20)) == 1
    observer.watch(status(0), 20, 40)
    assert observer.watch(broken, 40, 50) == []
    states = [one.state for s in range(50, 200, 2) for one in observer.see(later(status(0), s))]
    assert states == ["over"]


@pytest.mark.parametrize("for_s", [0, 30])
def test_a_bad_link_is_one_alert_at_whichever_end_it_is_told(for_s: int) -> None:
    """What several nodes measured tells better and better which link it is."""
    observer = Observer(f"{{on: link-worse, to: desktop, for: {for_s}}}")
    other_end = Problem("packet-loss", "warning", "b loses 5 %", "b", ("a", "c"))
    assert observer.watch(status(0), 0, 4) == []
    said = observer.watch(status(0, problems=(LOSS,), a=link(None)), 4, 30)
    said += observer.watch(status(0, problems=(other_end,), a=link(None)), 30, 100)
    said += observer.watch(status(0, problems=(LOSS,), a=link(None)), 100, 200)
    assert said == [f"home: link-worse {'b' if for_s else 'a'}"]
    assert len(observer.watch(status(0, a=link(True)), 200, 300)) == 1
    elsewhere = Problem("packet-loss", "warning", "c loses 5 %", "c", ("n",))
    assert observer.watch(status(0, problems=(elsewhere,)), 300, 400) == ["home: link-worse c"]


@pytest.mark.parametrize("code", ["service-silent", "straggler"])
def test_a_silent_rank_is_not_over_because_an_error_explains_it(code: str) -> None:
    observer = Observer("{on: [rank-silent, straggler], to: desktop, for: 0}")
    observer.see(status(0))
    silent = Problem(code, "warning", "worker@b prints no more", "b", ("worker@b",))
    kind = {"service-silent": "rank-silent"}.get(code, code)
    assert observer.watch(status(0, problems=(silent,)), 2, 20) == [f"home: {kind} worker@b"]
    error = Problem("address-missing", "error", "a lacks its address", "a", ("b",))
    assert observer.watch(status(0, problems=(error,)), 20, 200) == []
    assert observer.watch(status(0, problems=(silent,)), 200, 300) == []
    assert observer.watch(status(0), 300, 400) == [f"home: {kind} worker@b is over"]
    observer.watch(status(0, problems=(silent,)), 400, 500)
    gone = status(0, failed("worker@b"), problems=(error,))
    assert observer.watch(gone, 500, 600) == [f"home: {kind} worker@b is over"]


def test_a_link_that_is_lossy_and_slow_is_one_alert() -> None:
    observer = Observer("{on: link-worse, to: desktop, for: 0}")
    slow = Problem("rtt-high", "warning", "a needs 9 ms to c", "a", ("c",))
    [said] = observer.see(status(0, problems=(LOSS, slow)))
    assert said.text.splitlines() == [
        "a loses 5 % of echoes to b; a needs 9 ms to c",
        "  fleetctl explain packet-loss; fleetctl explain rtt-high",
    ]
    assert said.causes[0].affects == ("b", "c")
    assert observer.watch(status(0, problems=(slow,)), 2, 200) == []


def test_answers_in_part_of_a_busy_node_are_an_alert_once_they_last() -> None:
    cut = Problem("answer-incomplete", "error", "b could not be asked everything", "b")
    observer = Observer("{on: problem, to: desktop, for: 0}")
    for second in range(0, 300, 6):
        seen = status(second, problems=() if second % 30 == 0 else (cut,))
        assert observer.see(seen) == []
    lasting = status(0, problems=(cut, replace(cut, node="c")))
    assert observer.watch(status(0), 300, 302) == []
    assert observer.watch(lasting, 302, 422) == []
    assert observer.watch(lasting, 422, 600) == ["home: problem of 2"]


@given(st.lists(st.sampled_from(["well", "failed", "lost", "unknown"]), max_size=80))
@settings(max_examples=60, deadline=None)
def test_whatever_happens_what_is_told_is_a_minute_apart_and_over_once(states: list[str]) -> None:
    observer = Observer("{on: rank-lost, to: desktop, for: 5s}")
    observer.see(status(0))
    said = []
    for number, state in enumerate(states, 1):
        second = 5 * number
        seen = {
            "well": status(second),
            "failed": status(second, failed("worker@b")),
            "lost": status(second, b=node("unreachable")),
            "unknown": status(second, b=node("unknown")),
        }[state]
        said += [(second, one.state, state) for one in observer.see(seen)]
    assert [one[1] for one in said][:1] in ([], ["raised"])
    assert all(b[0] - a[0] >= 60 for a, b in pairwise(said))
    for before, after in pairwise(said):
        between = states[before[0] // 5 : after[0] // 5]
        assert before[1] == "raised" if after[1] == "over" else "well" in (before[2], *between)
    assert all(word == "well" for _, state, word in said if state == "over")


def test_what_cannot_be_asked_is_not_over() -> None:
    observer = Observer("{on: [rank-lost, link-worse, disk-low], to: desktop, for: 0}")
    observer.see(status(0))
    low = node(system=SystemStatus(disk_free_bytes=5))
    seen = status(2, failed("worker@b"), problems=(LOSS,), b=low)
    assert len(observer.see(seen)) == 3
    assert observer.watch(status(0, b=node("unknown"), a=link(True)), 100, 400) == []
    between = node(system=SystemStatus(disk_free_bytes=GIB + GIB // 8))
    assert observer.watch(status(0, b=between, a=link(None)), 400, 500) == [
        "home: rank-lost worker@b is over"
    ]
    assert sorted(observer.watch(status(0, a=link(True)), 500, 600)) == [
        "home: disk-low b is over",
        "home: link-worse a is over",
    ]


def test_a_lost_node_is_told_without_what_runs_on_it() -> None:
    observer = Observer()
    observer.see(status(0))
    assert observer.watch(status(0, b=node("unreachable")), 2, 200) == ["home: node-lost b"]
    assert observer.watch(status(0), 200, 300) == ["home: node-lost b is over"]


def test_many_of_one_kind_are_one_message() -> None:
    observer = Observer("{on: problem, to: desktop}")
    many = tuple(
        Problem("address-missing", "error", f"problem {n}", None, (f"n{n}",)) for n in range(50)
    )
    assert observer.watch(status(0, problems=many), 0, 30) == []
    [said] = observer.see(status(30, problems=many))
    assert (len(said.causes), said.more) == (MOST_CAUSES, 50 - MOST_CAUSES)
    assert said.title == "home: problem of 50"
    assert said.text.endswith("and 30 more: fleetctl status")


def test_a_run_is_done_once() -> None:
    done = [
        service(name, "exited", exit_code=0, started_at=at(-100), ended_at=at(4))
        for name in ("batch@a", "batch@c")
    ]
    observer = Observer()
    running = status(0, service("batch@a", "running"), service("batch@c", "running"))
    assert observer.watch(running, 0, 4) == []
    assert observer.watch(status(0, done[0], service("batch@c", "running")), 4, 6) == []
    [said] = observer.see(status(6, *done))
    assert said.title == "home: run-done other"
    assert said.text.splitlines()[0] == (
        "job other is done after 1m44s: 2 instances ended with exit code 0"
    )
    assert said.causes[0].do == ("fleetctl --job other logs",)
    assert observer.watch(status(0, *done), 8, 300) == []
    assert observer.watch(status(0), 300, 400) == []


def run(seconds: float, begun: float, ended: float) -> FleetStatus:
    done = {"exit_code": 0, "started_at": at(begun), "ended_at": at(ended)}
    return status(seconds, *(service(n, "exited", **done) for n in ("batch@a", "batch@c")))


def test_a_run_is_told_once_though_its_end_is_corrected_and_its_node_is_lost() -> None:
    """When it ended is reckoned anew in each look, with the node's clock as it is known then."""
    observer = Observer("{on: run-done, to: desktop}")
    observer.see(status(0))
    assert len(observer.see(run(10, 0, 4.4))) == 1
    said = [observer.see(run(seconds, 0, 3 + seconds % 7 / 2)) for seconds in range(12, 200, 2)]
    assert not any(said)
    away = status(200, a=node("unreachable"))
    assert observer.watch(away, 200, 400) == []
    assert observer.watch(run(400, 0.8, 4), 400, 500) == []
    [again] = observer.see(run(502, 490, 501))
    assert again.title == "home: run-done other"


def test_a_run_that_was_done_before_is_no_news() -> None:
    done = [service(n, "exited", exit_code=0, ended_at=at(-9)) for n in ("batch@a", "batch@c")]
    assert Observer().watch(status(0, *done), 0, 100) == []


def test_quiet_hours_end_with_a_summary() -> None:
    observer = Observer("{on: [node-lost, rank-lost], to: desktop, quiet: 22:00-07:00}")
    observer.see(status(0))
    observer.clock = time(23)
    assert observer.watch(status(0, b=node("unreachable")), 2, 100) == []
    assert observer.watch(status(0, c=node("unreachable")), 100, 200) == []
    observer.clock = time(6, 59)
    assert observer.watch(status(0, c=node("unreachable")), 200, 210) == []
    observer.clock = time(7)
    [said] = observer.see(status(210, c=node("unreachable")))
    assert (said.state, said.title) == ("summary", "home: 2 alerts in quiet hours (22:00-07:00)")
    assert [(c.subject, c.until is None) for c in said.causes] == [("b", False), ("c", True)]
    over, goes_on = (line for line in said.text.splitlines() if not line.startswith("  "))
    assert over.startswith("Over after 1m38s (it began at 12:00): b ")
    assert goes_on.startswith("Since 12:01: c ")
    assert observer.watch(status(0, c=node("unreachable")), 212, 400) == []
    assert observer.watch(status(0), 400, 500) == ["home: node-lost c is over"]


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        ("jobs: [other]", []),
        ("jobs: [train]", ["rank-lost worker@b"]),
        ("targets: [a]", []),
        ("targets: [b]", ["rank-lost worker@b"]),
        ("targets: ['work*']", ["rank-lost worker@b"]),
    ],
)
def test_a_rule_is_for_what_it_names(filters: str, told: list[str]) -> None:
    observer = Observer(f"{{on: [rank-lost], to: desktop, for: 0, {filters}}}")
    assert observer.watch(status(0, failed("worker@b")), 0, 50) == [f"home: {t}" for t in told]
