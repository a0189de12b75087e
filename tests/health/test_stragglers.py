"""One rank that lags is told, with what differs there; ranks that only differ are not."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import Any

import pytest
from msgspec.structs import replace

from fleetctl.health.stragglers import stragglers
from fleetctl.model.facts import NetworkFacts, NodeFacts, Reliability, Swap
from fleetctl.model.network import EchoRound
from fleetctl.model.node_status import SystemStatus
from fleetctl.model.status import Problem, ServiceState, ServiceStatus
from fleetctl.model.steps import StepReading, Steps
from tests.health.facts import PID, facts, record, with_progress
from tests.launch.jobs import job

NOW = 5000.0


def steps(*pauses: float, each: int = 10, quiet: float = 1.0, usual: float | None = 2.0) -> Steps:
    """Readings with such pauses between them, the last one ``quiet`` seconds ago."""
    at = [NOW - quiet - sum(pauses[n:]) for n in range(len(pauses) + 1)]
    found = tuple(StepReading(s, each * n) for n, s in enumerate(at, 1))
    return Steps(NOW, found, usual_pause_s=usual)


def going(**more: Any) -> Steps:
    return steps(*[2.0] * 20, **more)


def stalled(quiet: float, **more: Any) -> Steps:
    return steps(*[2.0] * 10, quiet=quiet, **more)


def stragglers_among(
    *known: Steps | None,
    state: ServiceState = "ready",
    elastic: bool = False,
    problems: Sequence[Problem] = (),
    nodes: Sequence[dict[str, Any]] = (),
    before: Sequence[Problem] = (),
) -> list[Problem]:
    """Of a service with an instance for each; ``nodes``: fields of the facts of their nodes. A node
    without one is not heard."""
    of = replace(job({"w": (list("abcdefghij")[: len(known)], [])}), elastic=elastic)
    told: dict[str, NodeFacts] = {}
    for place, (instance, found) in enumerate(zip(of.instances, known, strict=True)):
        more = nodes[place] if nodes else {}
        if found is None and before:
            continue
        told[instance.node] = facts(
            steps={(instance.job, instance.name): found} if found else {}, **more
        )
    statuses = {i.name: ServiceStatus(i.service, i.node, i.rank, state) for i in of.instances}
    standing = {p.affects[0]: p for p in before}
    return list(stragglers(of, with_progress(of, statuses, told), told, problems, standing))


def test_a_rank_without_new_steps_while_the_others_go_on() -> None:
    [problem] = stragglers_among(stalled(48), going(), going())
    assert (problem.code, problem.severity, problem.affects) == ("straggler", "warning", ("w@a",))
    assert problem.summary == (
        "w@a lags behind the others of its service: no new step for 48s, while w@b, w@c go on"
    )
    assert problem.evidence.startswith("step 110 in its log, 100 behind the median; no difference")
    [of_two] = stragglers_among(stalled(48), going())
    assert of_two.summary.endswith("while w@b goes on")


def test_of_many_others_the_first_are_named_and_the_rest_counted() -> None:
    [problem] = stragglers_among(stalled(48), *[going()] * 9)
    assert problem.summary.endswith("while w@b, w@c and 7 more go on")
    assert problem.evidence.endswith("w@g, w@h, w@i, w@j")


@pytest.mark.parametrize(
    ("known", "why"),
    [
        ((stalled(29), going(), going()), "not half a minute"),
        (
            (steps(5.0, 5.0, 5.0, quiet=45, each=25, usual=5.0), going(), going()),
            "not ten of its own pauses",
        ),
        ((stalled(48), steps(2.0, 20.0, 2.0), going()), "not three of the longest pause"),
        ((stalled(48), stalled(48), stalled(40)), "all wait for one another"),
        ((stalled(48), None, None), "nothing is known of the others"),
        ((steps(2.0, quiet=48), going(), going()), "two steps are no measure"),
        ((going(each=3), going(each=4), going(each=5)), "not half as fast"),
        ((going(each=1), going(each=10)), "of two it is not clear which is unusual"),
        ((steps(4.0, 4.0, 4.0, usual=4.0), going(), going()), "it was never faster, by its lines"),
    ],
)
def test_what_does_not_lag(known: tuple[Steps | None, ...], why: str) -> None:
    elastic = why.startswith("it was never")
    assert stragglers_among(*known, elastic=elastic) == [], why


def test_what_does_not_run_does_not_lag() -> None:
    assert stragglers_among(stalled(48), going(), going(), state="exited") == []


def test_half_the_steps_per_second_of_the_others() -> None:
    slow, fast = going(each=4), going(each=10)
    [problem] = stragglers_among(slow, fast, fast)
    assert "2 steps/s, while the others make 5" in problem.summary
    assert stragglers_among(slow, fast, fast, elastic=True) == [], "members may be of any speed"


def test_one_that_became_slow_while_the_others_did_not() -> None:
    slow = steps(2.0, 2.0, *[5.0] * 4, each=25)
    [problem] = stragglers_among(slow, going(), going(), elastic=True)
    assert "it prints steps every 5s now, and did every 2s" in problem.summary
    all_slow = steps(2.0, 2.0, *[5.0] * 4)
    assert stragglers_among(slow, all_slow, all_slow, elastic=True) == []
    little = steps(1.0, 1.0, *[2.0] * 8, usual=1.0)
    assert stragglers_among(little, going(), going(), elastic=True) == [], "within the clock"


def changes_of(pauses: Sequence[float], *, elastic: bool = True) -> list[float]:
    """The seconds at which it is told, and is over, in a watch that looks every second at one with
    these pauses between its lines, beside two that go on every two seconds."""
    at, total = [0.0], sum(pauses)
    for pause in pauses:
        at.append(at[-1] + pause)
    found: list[float] = []
    before: list[Problem] = []
    for now in range(1, int(total) + 1):
        known = tuple(StepReading(NOW - now + s, 10 * n) for n, s in enumerate(at) if s <= now)
        own = Steps(NOW, known, usual_pause_s=2.0)
        after = stragglers_among(own, going(), going(), elastic=elastic, before=before)
        if bool(before) != bool(after):
            found.append(now)
        before = after
    return found


@pytest.mark.parametrize(
    ("pauses", "changes", "why"),
    [
        ([2.0] * 10 + [5.0] * 3 + [2.0] * 10, [], "10 seconds of it are no finding"),
        ([2.0] * 10 + [5.0] * 20, [40], "it lasts: two pauses show it, and ten seconds more"),
        ([2.0] * 10 + [5.0] * 4 + [5.0, 3.0, 3.0, 5.0, 5.0, 3.0, 3.0] * 6, [40], "up and down"),
        ([2.0] * 10 + [5.0] * 8 + [2.0] * 20, [40, 74], "two usual pauses, and ten seconds more"),
        ([2.0] * 10 + [64.0] + [2.0] * 20, [51, 94], "it stood still, and went on for ten seconds"),
    ],
)
def test_what_comes_and_goes_is_told_once(
    pauses: list[float], changes: list[float], why: str
) -> None:
    assert changes_of(pauses) == changes, why


def test_a_rate_at_the_bound_is_told_once() -> None:
    fast = going(each=10)
    [before] = stragglers_among(going(each=4), fast, fast)
    assert stragglers_among(going(each=6), fast, fast) == []
    [still] = stragglers_among(going(each=6), fast, fast, before=[before])
    assert "3 steps/s, while the others make 5" in still.summary
    assert stragglers_among(going(each=7), fast, fast, before=[before]) == []


def test_one_that_stands_still_is_not_over_because_the_others_wait_for_it() -> None:
    [before] = stragglers_among(stalled(48), going(), going())
    [still] = stragglers_among(stalled(70), stalled(40), stalled(40), before=[before])
    assert still.summary.endswith("of its service: no new step for 1m10s")


def test_it_is_not_over_while_its_peers_are_not_heard() -> None:
    fast = going(each=10)
    [before] = stragglers_among(going(each=4), fast, fast)
    assert stragglers_among(going(each=4), fast, None, before=[before]) == [before]
    assert stragglers_among(None, fast, fast, before=[before]) == [], "of itself nothing is known"


def test_what_differs_is_told_as_far_as_it_is_known() -> None:
    well = {"system": SystemStatus(load1=0.5, cpus=4, temperature_c=50.0)}
    bad = {
        "system": SystemStatus(
            load1=9.1, cpus=4, temperature_c=84.6, throttled=True,
            memory_total_bytes=100, memory_used_bytes=97,
        ),
    }  # fmt: skip
    loss = Problem("packet-loss", "warning", "", node="a")
    [problem] = stragglers_among(
        stalled(48), going(), going(), nodes=[bad, well, well], problems=[loss]
    )
    assert problem.summary.endswith(
        "; what differs there: it is slowed down by heat or voltage, its processor has 85 °C, "
        "its load is 9.1 on 4 processors, 97% of its memory is used, see also packet-loss"
    )
    weak = {**well, "reliability": Reliability(undervoltage=True)}
    [problem] = stragglers_among(stalled(48), going(), nodes=[weak, well])
    assert problem.summary.endswith("there: its supply voltage is too low")


def swapping(used: int, pages_per_s: float | None) -> dict[str, Any]:
    system = SystemStatus(memory_total_bytes=8 << 30, memory_used_bytes=1 << 30)
    return {"system": system, "swap": Swap(used, pages_per_s=pages_per_s)}


def said_there(*nodes: dict[str, Any]) -> str:
    """What is said to be different at the first of three nodes."""
    [problem] = stragglers_among(stalled(48), going(), going(), nodes=nodes)
    return problem.summary.partition("; what differs there: ")[2]


def test_a_node_that_swaps() -> None:
    idle = swapping(1 << 20, 0.0)
    assert said_there(swapping(1 << 30, 240.4), idle, idle) == "it swaps 240 pages/s"
    assert said_there(swapping(1 << 30, 240.4), swapping(1, 200.0), idle) == "", "so does another"
    assert said_there(swapping(3 << 30, None), idle, idle) == "3.0G of its memory is swapped out"
    assert said_there(swapping(3 << 30, None), swapping(2 << 30, None), idle) == ""
    assert said_there({}, idle, idle) == "", "it is not known"


HUB = IPv4Address("10.0.0.1")


def heard(*rounds: tuple[int, int, float | None]) -> dict[str, Any]:
    """A node with such rounds of echoes to the same address: sent, received, milliseconds."""
    found = tuple(EchoRound(n, *one) for n, one in enumerate(rounds))
    return {"network": NetworkFacts(rounds={HUB: found})}


def test_a_node_with_a_worse_link() -> None:
    near = heard((10, 10, 0.4), (10, 10, 0.5))
    lossy = heard((10, 8, 0.5), (10, 9, 0.4))
    assert said_there(lossy, near, near) == "15% of its echoes are lost"
    assert said_there(lossy, lossy, near) == "", "so it is with another"
    assert said_there(heard((10, 8, 0.5)), near, near) == "", "two may be chance"
    assert said_there(heard((10, 0, None)), near, near) == "", "it is off"
    far = heard((10, 10, 12.0), (10, 10, 14.0))
    assert said_there(far, near, near) == (
        "its round trip to 10.0.0.1 takes 13ms, that of others 0.45ms"
    )
    assert said_there(heard((10, 10, 2.0)), near, near) == "", "not much in milliseconds"
    assert said_there(far, {}, {}) == "", "that of others is not known"


def test_a_process_that_is_stopped_is_what_differs() -> None:
    one = job({"w": (["a"], [])}).instances[0]
    where = {"stopped": frozenset({PID}), "records": {(one.job, one.name): record(one)}}
    assert said_there(where, {}, {}).startswith(f"its process {PID} is stopped")


@pytest.mark.parametrize("hit", [{"node": "a"}, {"affects": ("w@a",)}])
def test_an_error_that_explains_it_is_told_alone(hit: dict[str, Any]) -> None:
    cause = Problem("route-missing", "error", "", **hit)
    assert stragglers_among(stalled(48), going(), going(), problems=[cause]) == []


def test_that_its_node_answers_in_part_explains_nothing() -> None:
    cut = Problem("answer-incomplete", "error", "", node="a", affects=("w@a",))
    assert len(stragglers_among(stalled(48), going(), going(), problems=[cut])) == 1
