"""What prints no more is told by its own pauses; a server that nobody asks is not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from fleetctl.health.silence import silent
from fleetctl.model.facts import NodeFacts
from fleetctl.model.jobs import Job
from fleetctl.model.status import Problem, ServiceState, ServiceStatus
from fleetctl.model.steps import Rhythm, StepReading, Steps
from tests.health.facts import PID, facts, record
from tests.launch.jobs import job, listen

PRINTING = Rhythm(pauses=300, usual_s=1.0, longest_s=2.0, quiet_s=1.0)
SILENT = replace(PRINTING, quiet_s=50.0)
SERVED = job({"server": (["a"], []), "w": (["b", "c"], ["server"])})


def silent_among(
    *known: Rhythm | None,
    of: Job | None = None,
    states: Sequence[ServiceState] = (),
    steps: bool = False,
    stopped: frozenset[int] = frozenset(),
    problems: Sequence[Problem] = (),
    told: Sequence[Problem] = (),
) -> list[Problem]:
    """Of a job with an instance for each, by default of one service without a port.

    :param stopped: processes of the first one.
    """
    of = of or job({"w": (list("abcd")[: len(known)], [])})
    every: dict[str, NodeFacts] = {}
    for instance, rhythm in zip(of.instances, known, strict=True):
        readings = (StepReading(1.0, 1),) if steps else ()
        found = {(instance.job, instance.name): Steps(9.0, readings, rhythm=rhythm)}
        more: dict[str, Any] = {} if every else {"stopped": stopped}
        every[instance.node] = facts(record(instance), steps=found, **more)
    statuses = {
        i.name: ServiceStatus(i.service, i.node, i.rank, states[n] if states else "ready")
        for n, i in enumerate(of.instances)
    }
    return list(silent(of, statuses, every, problems, told))


def test_the_only_one_that_printed_each_second() -> None:
    [problem] = silent_among(SILENT)
    assert (problem.code, problem.severity) == ("service-silent", "warning")
    assert problem.summary == "w@a runs but has printed nothing for 50s, and did every 1s"
    assert problem.affects == ("w@a",)
    assert "its 300 pauses before were 1s by the median" in problem.evidence


@pytest.mark.parametrize(
    ("own", "why"),
    [
        (None, "it never printed"),
        (replace(SILENT, quiet_s=45.0), "not longer than the floor"),
        (replace(SILENT, usual_s=6.0), "not ten of its pauses"),
        (replace(SILENT, longest_s=26.0), "not two of its evaluations"),
        (replace(SILENT, pauses=19), "too little is known"),
        (replace(SILENT, usual_s=61.0, quiet_s=9999.0), "it prints too seldom"),
    ],
)
def test_what_alone_is_not_silent(own: Rhythm | None, why: str) -> None:
    assert silent_among(own) == [], why


def test_a_server_that_nobody_asks_is_not_silent() -> None:
    of = job({"w": (["a"], [])}, w={"listen": listen()})
    assert silent_among(SILENT, of=of) == []
    assert len(silent_among(SILENT, of=of, steps=True)) == 1, "it names its steps"
    [problem] = silent_among(SILENT, of=of, stopped=frozenset({PID}))
    assert "is stopped" in problem.summary


def test_a_process_that_is_stopped_is_named() -> None:
    [problem] = silent_among(SILENT, stopped=frozenset({PID}))
    assert problem.summary.endswith(
        f"and did every 1s; its process {PID} is stopped, as by SIGSTOP or Ctrl-Z"
    )
    assert problem.fix is not None
    assert problem.fix.commands == (f"fleetctl exec a -- kill -CONT {PID}",)
    assert silent_among(PRINTING, stopped=frozenset({PID})) == []


def test_one_is_silent_while_others_print() -> None:
    [problem] = silent_among(SILENT, PRINTING)
    assert problem.summary == "w@a runs but has printed nothing for 50s, while w@b prints"
    rare = Rhythm(pauses=3, usual_s=90.0, longest_s=90.0, quiet_s=950.0)
    others = replace(rare, quiet_s=170.0)
    [problem] = silent_among(rare, others, others)
    assert problem.summary.endswith("nothing for 15m50s, while w@b, w@c print")
    assert silent_among(replace(rare, quiet_s=850.0), others) == [], "ten of the longest pauses"
    assert silent_among(rare, replace(rare, quiet_s=181.0)) == [], "none prints"
    assert silent_among(replace(rare, pauses=2), others) == [], "as ranks but the first"


def test_those_that_fell_silent_together_are_one_problem() -> None:
    [problem] = silent_among(SILENT, replace(SILENT, quiet_s=53.0))
    assert (problem.node, problem.affects) == (None, ("w@a", "w@b"))
    assert problem.summary == ("w@a and w@b run but have printed nothing for 50s, and did every 1s")
    [problem] = silent_among(SILENT, SILENT, stopped=frozenset({PID}))
    assert problem.affects == ("w@a",), "the others wait for what is stopped"


def test_what_waits_for_something_that_is_wrong_is_explained() -> None:
    silence = (None, SILENT, SILENT)
    assert len(silent_among(*silence, of=SERVED)) == 1
    failed = Problem("service-failed", "error", "", node="a", affects=("server@a",))
    assert silent_among(*silence, of=SERVED, problems=[failed]) == []
    gone: tuple[ServiceState, ...] = ("stopped", "ready", "ready")
    assert silent_among(*silence, of=SERVED, states=gone) == []
    alone: tuple[ServiceState, ...] = ("ready", "stopped", "exited")
    assert silent_among(SILENT, None, None, of=SERVED, states=alone) == [], "none uses the server"
    assert len(silent_among(SILENT, None, None, of=SERVED)) == 1
    lags = Problem("straggler", "warning", "", node="b", affects=("w@b",))
    assert silent_among(*silence, of=SERVED, told=[lags]) == []
    other = Problem("service-failed", "error", "", node="x", affects=("other@x",))
    assert len(silent_among(*silence, of=SERVED, problems=[other])) == 1


def test_what_is_known_to_be_wrong_elsewhere_does_not_explain_one_whose_peers_print() -> None:
    failed = Problem("service-failed", "error", "", node="a", affects=("server@a",))
    [problem] = silent_among(None, SILENT, PRINTING, of=SERVED, problems=[failed])
    assert problem.affects == ("w@b",)
    own = Problem("address-missing", "error", "", node="b")
    assert silent_among(None, SILENT, PRINTING, of=SERVED, problems=[own]) == []


@pytest.mark.parametrize("state", ["exited", "failed", "unknown", "stopped", "restarting"])
def test_what_does_not_run_is_not_silent(state: ServiceState) -> None:
    assert silent_among(SILENT, states=[state]) == []
