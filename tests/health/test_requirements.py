"""Programs that a job requires: what is told where one is missing, too old, or not known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from msgspec.structs import replace

from fleetctl.health.requirements import why_not_started
from fleetctl.model.facts import CUT_OFF, NO_ANSWER, Program, Workplace
from fleetctl.model.jobs import Job
from fleetctl.model.node_status import SystemStatus
from fleetctl.model.requirements import Requirement
from fleetctl.model.status import Problem
from tests.health.facts import HAS_TMUX, facts
from tests.health.test_node_problems import JOB, LINUX, MACOS, checked

NEEDS = replace(
    JOB,
    requires=(Requirement("uv"), Requirement("python3", ">=", "3.11"), Requirement("git")),
)
WELL = {
    "uv": Program("/usr/local/bin/uv"),
    "python3": Program("/usr/bin/python3", "3.11.2"),
    "git": Program("/usr/bin/git", "2.39.5"),
}


def told(of_b: dict[str, Program] | None, job: Job = NEEDS, **more: Any) -> list[Problem]:
    """The problems of requirements, with these programs on node b, and all of them elsewhere."""
    others = facts(**HAS_TMUX, programs=WELL, system=LINUX)
    b = facts(**{**HAS_TMUX, "programs": of_b, "system": LINUX, **more})
    status = checked(job, a=others, b=b, c=others).status
    return [p for p in status.problems if p.code == "requirement-missing"]


def without_uv() -> Iterable[Problem]:
    return told({**WELL, "uv": Program(None)})


def test_all_is_there() -> None:
    assert told(WELL) == []


def test_what_a_node_lacks_is_one_problem_that_stops_its_instances() -> None:
    old = Program("/usr/bin/python3", "3.9.2")
    [problem] = told({**WELL, "uv": Program(None), "python3": old})
    assert (problem.severity, problem.node) == ("error", "b")
    assert problem.summary == (
        "b lacks what the job requires: uv and python3>=3.11 (/usr/bin/python3 is 3.9.2); "
        "so worker@b cannot work there"
    )
    assert problem.affects == ("worker@b", "web@c")
    assert problem.evidence == "command -v uv: not found; /usr/bin/python3: 3.9.2"
    assert problem.fix
    assert problem.fix.on == "b"
    assert problem.fix.commands[-1] == "sudo apt-get install -y python3"
    assert all(step.installs for step in problem.fix.steps)


@pytest.mark.parametrize(
    ("system", "commands"),
    [(MACOS, ("brew install git",)), (LINUX, ("sudo apt-get install -y git",)), (None, None)],
)
def test_the_line_is_the_systems(
    system: SystemStatus | None, commands: tuple[str, ...] | None
) -> None:
    [problem] = told({**WELL, "git": Program(None)}, system=system)
    assert (problem.fix.commands if problem.fix else None) == commands


def test_a_missing_program_is_not_told_again_as_the_command_of_an_instance() -> None:
    place = {("job", "worker@b"): Workplace("ok", None)}  # its command is python3
    gone = {**WELL, "python3": Program(None)}
    b = facts(**HAS_TMUX, programs=gone, workplaces=place)
    others = facts(**HAS_TMUX, programs=WELL)
    problems = checked(NEEDS, a=others, b=b, c=others).status.problems
    assert [(p.code, p.node) for p in problems] == [("requirement-missing", "b")]
    problems = checked(JOB, a=others, b=b, c=others).status.problems
    assert [(p.code, p.node) for p in problems] == [("command-missing", "b")]


def test_tmux_that_is_missing_is_told_as_such() -> None:
    needs = replace(JOB, requires=(Requirement("tmux", ">=", "3.2"),))
    assert told({"tmux": Program(None)}, needs) == []
    assert len(told({"tmux": Program("/usr/bin/tmux", "3.1")}, needs)) == 1


def test_a_version_that_is_not_known_is_no_right_one() -> None:
    silent = Program("/usr/bin/python3", why="no answer within 3 s")
    [problem] = told({**WELL, "python3": silent})
    assert (problem.severity, problem.fix) == ("warning", None)
    assert problem.summary == (
        "whether b has python3>=3.11 is not known: python3: no answer within 3 s"
    )
    assert problem.affects == ("worker@b", "web@c")
    # any version will do
    assert told({**WELL, "uv": Program("/bin/uv", why="no answer within 3 s")}) == []


def test_a_quick_look_asks_for_no_version() -> None:
    assert told({**WELL, "python3": Program("/usr/bin/python3")}) == []


def test_without_an_answer_nothing_is_missing() -> None:
    [problem] = told(None, unknown={"programs": "sh: cannot fork (exit status 2)"})
    assert problem.severity == "warning"
    assert "uv, python3>=3.11 and git is not known" in problem.summary
    # told as answer-incomplete already
    for why in (CUT_OFF, f"{NO_ANSWER} within 10 s"):
        assert told(None, unknown={"programs": why}) == []
    assert told(None) == []


def test_a_start_says_what_is_missing() -> None:
    assert why_not_started(facts(programs=WELL), "b", NEEDS) == ""
    assert why_not_started(facts(programs={**WELL, "git": Program(None)}), "b", NEEDS) == (
        "b lacks what the job requires: git. What to do: fleetctl fix b"
    )
    assert why_not_started(facts(programs=None), "b", NEEDS) == ""
