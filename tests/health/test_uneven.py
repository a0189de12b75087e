"""One instance that ended or went silent while others of its service go on is told, and only that.

No rule may flap: what is told stays so until the instance itself does something.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from fleetctl.health.uneven import Prints, prints, uneven
from fleetctl.model.jobs import Job
from fleetctl.model.ready import Ready
from fleetctl.model.status import Problem, ServiceState, ServiceStatus
from tests.health.facts import NOW, RUN, ago, facts, record
from tests.launch.jobs import job

JOB = job({"w": (["a", "b", "c"], [])})
A = JOB.instances[0]
NOW_S = 1000.0
PRINTING = Prints((RUN, 0), 90, NOW_S, NOW_S - 2, longest_s=4.0, times=30)
SILENT = Prints((RUN, 0), 40, NOW_S, NOW_S - 130, longest_s=4.0, times=12)


def problems_of(
    of: Job = JOB,
    *,
    ended_s_ago: float | None = None,
    printed: Mapping[str, Prints] | None = None,
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
    return list(uneven(of, statuses, known, printed or {}, NOW_S))


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


def test_what_is_silent_while_others_print() -> None:
    [problem] = problems_of(printed={"w@a": SILENT, "w@b": PRINTING})
    assert (problem.code, problem.severity) == ("service-silent", "warning")
    assert problem.summary == "w@a runs but has printed nothing for 2 min, while w@b prints"
    assert "2m10s" in problem.evidence
    assert "was 4s" in problem.evidence


@pytest.mark.parametrize(
    ("own", "other", "why"),
    [
        (replace(SILENT, printed_s=NOW_S - 119), PRINTING, "not two minutes"),
        (SILENT, replace(PRINTING, longest_s=14.0), "not ten pauses of the other"),
        (replace(SILENT, longest_s=14.0), PRINTING, "not ten pauses of its own"),
        (replace(SILENT, times=2), PRINTING, "it never printed much, as ranks but the first"),
        (SILENT, replace(PRINTING, times=2), "nor did the other"),
        (SILENT, replace(PRINTING, printed_s=NOW_S - 61), "the other is silent, too"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_silent(own: Prints, other: Prints, why: str) -> None:
    assert problems_of(printed={"w@a": own, "w@b": other}) == [], why


def test_what_does_not_run_is_no_measure() -> None:
    assert problems_of(printed={"w@a": SILENT, "w@b": PRINTING}, others="unknown") == []


def look(before: Prints | None, now_s: float, length: int, restarts: int = 0) -> Prints:
    told = facts(record(A, restarts=restarts), log_bytes={("job", "w@a"): length})
    return prints(before, A, told, now_s)


def test_pauses_are_measured_between_lines_and_not_over_gaps() -> None:
    seen = look(None, 0.0, 10)
    seen = look(seen, 40.0, 20)  # the program's start is no pause
    assert (seen.times, seen.longest_s) == (1, 0.0)
    seen = look(seen, 44.0, 20)
    seen = look(seen, 47.0, 30)
    seen = look(seen, 49.0, 40)
    assert (seen.times, seen.longest_s, seen.printed_s) == (3, 7.0, 49.0)
    assert look(seen, 51.0, 50, restarts=1).times == 0  # another attempt
    assert look(seen, 149.0, 50).times == 0  # its node could not be asked


def test_it_is_over_with_the_next_line_and_not_told_again_as_soon() -> None:
    def told(own: Prints, now_s: float) -> bool:
        other = replace(PRINTING, looked_s=now_s, printed_s=now_s - 1)
        statuses = {
            i.name: ServiceStatus(i.service, i.node, i.rank, "ready") for i in JOB.instances
        }
        return bool(list(uneven(JOB, statuses, {}, {"w@a": own, "w@b": other}, now_s)))

    own = SILENT
    assert told(own, NOW_S)
    for later_s in range(2, 300, 2):
        own = look(own, NOW_S + later_s, 40)
        assert told(own, NOW_S + later_s)  # it stays so
    own = look(own, NOW_S + 300, 41)
    assert not told(own, NOW_S + 300)
    for later_s in range(302, 900, 2):
        own = look(own, NOW_S + later_s, 41)
        assert not told(own, NOW_S + later_s)  # such pauses are known now
