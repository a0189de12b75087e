"""How busy the processes of a run are, by their CPU times from look to look."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from fleetctl.probes.asked.runs import PROBE, CpuTimes, Runs, read_runs
from fleetctl.probes.script import Answer

STAT = "S 1 12 12 0 -1 4194304 100 0 0 0 {ticks} 50 900 900 20 0 1 0 5000"


def runs(at_s: float | None, *, pids: tuple[int, ...] = (12,), **used_s: float) -> Runs:
    times = {int(pid.strip("_")): seconds for pid, seconds in used_s.items()}
    return Runs({"r": pids}, frozenset(), cpu=CpuTimes(at_s, times))


@pytest.mark.parametrize(
    ("line", "used_s"),
    [
        (f"12 {STAT.format(ticks=150)}", {12: 2.0}),
        ("   12 S+     0:01.23", {12: 1.23}),
        ("12 Ss 123:05.50", {12: 7385.5}),
        ("12 R 1-02:03:04", {12: 93784.0}),
        ("12 R never", {}),
        ("12 S 1 2 3", {}),
        (f"12 {STAT.format(ticks='x')}", {}),
    ],
)
def test_the_lines_of_both_systems(line: str, used_s: dict[int, float]) -> None:
    found = read_runs(Answer(f"r 12 12 own\nstates\n{line}\n", 0), 7.0)
    assert isinstance(found, Runs)
    assert found.cpu == CpuTimes(7.0, used_s)


def test_it_is_told_over_ten_seconds_and_kept_in_between() -> None:
    first = runs(100.0, _12=5.0)
    soon = PROBE.renew(first, runs(104.0, _12=9.0))
    assert soon.busy == {}, "four seconds are too few"
    later = PROBE.renew(soon, runs(110.0, pids=(12, 13), _12=13.0, _13=2.0))
    assert later.busy == {"r": 1.0}, "with a process that began meanwhile"
    soon = PROBE.renew(later, runs(112.0, _12=15.0))
    assert soon.busy == {"r": 1.0}
    assert PROBE.renew(soon, runs(120.0, _12=13.0)).busy == {"r": 0.0}


def test_what_is_not_known_is_not_told() -> None:
    first = runs(100.0, _12=5.0)
    assert PROBE.renew(first, runs(None, _12=9.0)).busy == {}
    other = replace(runs(120.0, _14=9.0), pids={"other": (14,)})
    assert PROBE.renew(first, other).busy == {}, "it has begun since"
    assert PROBE.renew(first, runs(120.0)).busy == {}, "its time is not told"
