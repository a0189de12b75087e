"""One root cause is one problem."""

from __future__ import annotations

from collections.abc import Sequence

from fleetctl.bench.problems import problems
from fleetctl.model.bench import Best, PathResult
from fleetctl.model.status import Problem
from tests.bench.fleets import EDGE, EXPECTATIONS, FABRIC, FLEET, LONG, MAY, measured, result


def found(*results: PathResult) -> Sequence[Problem]:
    return list(problems(FLEET, EXPECTATIONS, results))


WIDE = measured(FABRIC, 12_000, 12_000)


def test_all_is_well() -> None:
    assert found(result(measured(EDGE)), result(WIDE), result(measured(LONG))) == []


def test_a_narrow_link_is_told_once_and_affects_the_longer_path() -> None:
    [problem] = found(result(measured(LONG, 92, 91)), result(measured(EDGE, 94, 93)), result(WIDE))
    assert (problem.code, problem.node, problem.severity) == ("bandwidth-low", "pi4", "warning")
    assert problem.affects == ("mini1", "mini3")
    assert problem.summary == (
        "pi4 and mini3 get 94 Mbit/s there and 93 Mbit/s back on edge51, where 800 Mbit/s are "
        "expected: 94 Mbit/s is all that a link of 100 Mbit/s carries: it was probably negotiated "
        "down to that"
    )
    assert "iperf3 -c 192.168.51.2" in problem.evidence


def test_a_longer_path_that_alone_is_narrow_is_told_itself() -> None:
    [problem] = found(result(measured(EDGE)), result(WIDE), result(measured(LONG, 300, 310)))
    assert (problem.node, problem.affects) == ("pi4", ("mini1",))
    assert "on fabric" in problem.summary


def test_two_narrow_links_are_two_problems() -> None:
    told = found(result(measured(EDGE, 94, 93)), result(measured(FABRIC, 941, 940)))
    assert [p.node for p in told] == ["pi4", "mini1"]


def test_a_slow_link_names_what_was_expected_or_what_it_was() -> None:
    [problem] = found(result(measured(EDGE, median_ms=9.4)))
    assert problem.code == "rtt-high"
    assert problem.summary == (
        "pi4 needs 9.4 ms to mini3 and back on edge51, where 1.5 ms are expected"
    )
    best = Best(rtt_ms=0.2, rtt_at=MAY)
    [problem] = found(result(measured(EDGE, median_ms=2.4), best=best))
    assert problem.summary.endswith("where 0.2 ms are expected: it was 0.2ms on 12 May 2026")


def test_what_was_not_measured_is_no_problem() -> None:
    assert found(result(measured(EDGE, None, None, median_ms=None))) == []


def test_a_lossy_link_is_one_problem_though_tcp_is_slow_over_it() -> None:
    [problem] = found(
        result(measured(EDGE, 60, 70, lost=15)),
        result(WIDE),
        result(measured(LONG, 50, 50, lost=26)),
    )
    assert (problem.code, problem.node, problem.severity) == ("packet-loss", "pi4", "warning")
    assert problem.affects == ("mini1", "mini3")
    assert problem.summary == (
        "15 % of the echoes between pi4 and mini3 on edge51 are lost, where 1 % are expected"
    )
    [problem] = found(result(measured(EDGE, 1, 1, lost=60)))
    assert problem.severity == "error"
