"""What should be equal on the nodes of a job: how it is grouped, and what is told of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from msgspec.structs import replace

from fleetctl.health.parity import parity, parity_problems
from fleetctl.model.facts import Build, Code, NodeFacts, Program
from fleetctl.model.node_status import SystemStatus
from fleetctl.model.requirements import Requirement
from fleetctl.model.status import ParityStatus, ParityValue, Problem
from fleetctl.words.parity import parity_lines
from tests.health.facts import facts
from tests.launch.jobs import job

NODES = ("mini1", "mini2", "pi5", "pi4")
JOB = job({"server": (["mini1"], []), "worker": (list(NODES[1:]), ["server"])})
COMMIT = "3f2a1c7" + 33 * "0"
CLEAN = Code("tree", COMMIT, changed=0)
DIRTY = Code("tree", COMMIT, changed=1, files=("train.py",), sum_of="123 45")
SLOW = Code("tree", COMMIT, why="git did not answer within 3 s")

Told = dict[str, NodeFacts]


def nodes(**fields: Any) -> Told:
    """Facts of all nodes; a mapping gives each node its own value, or none."""
    found = {}
    for name in NODES:
        own = {k: v[name] if isinstance(v, dict) else v for k, v in fields.items()
               if not isinstance(v, dict) or name in v}  # fmt: skip
        if code := own.pop("code", None):
            own["codes"] = {JOB.name: code}
        found[name] = facts(**{"tmux_version": None, **own})
    return found


def each(*values: Any) -> dict[str, Any]:
    return dict(zip(NODES, values, strict=True))


def python(*versions: str | None) -> dict[str, Any]:
    return each(*({"python3": Program("/usr/bin/python3", v)} for v in versions))


def told(found: Told, of: Any = JOB) -> tuple[list[ParityStatus], list[Problem]]:
    rows = parity(of, found)
    return list(rows), list(parity_problems(of, found, rows))


def dirty_code() -> Iterable[Problem]:
    return told(nodes(code=each(CLEAN, CLEAN, CLEAN, DIRTY)))[1]


def test_what_is_equal_is_no_problem() -> None:
    rows, problems = told(nodes(code=CLEAN, programs=python(*4 * ["3.11.2"])))
    assert rows == [
        ParityStatus("python3", None, True, (ParityValue("3.11.2", NODES),)),
        ParityStatus("code", None, True, (ParityValue("3f2a1c7", NODES),)),
    ]
    assert problems == []
    [line] = parity_lines(rows)
    assert (line.mark.symbol, line.text) == ("●", "equal on all: python3 3.11.2 · code 3f2a1c7")


def test_the_odd_one_out_is_named() -> None:
    [problem] = dirty_code()
    assert (problem.code, problem.severity, problem.node) == ("version-skew", "warning", "pi4")
    assert problem.summary == (
        "code differs: 3f2a1c7 with changes in train.py on pi4; 3f2a1c7 on the others"
    )
    assert problem.affects == ("pi4",)
    assert problem.evidence == "mini1, mini2, pi5: 3f2a1c7; pi4: 3f2a1c7 with changes in train.py"
    rows, _ = told(nodes(code=each(CLEAN, CLEAN, CLEAN, DIRTY)))
    [line] = parity_lines(rows)
    assert (line.mark.symbol, line.text) == (
        "▲",
        "code  3f2a1c7: mini1, mini2, pi5 · 3f2a1c7 with changes in train.py: pi4",
    )


def test_where_no_value_is_the_usual_one_all_are_named() -> None:
    [problem] = told(nodes(programs=python("3.13.1", "3.13.1", "3.11.2", "3.11.2")))[1]
    assert problem.node is None
    assert problem.summary == "python3 differs: 3.13.1 on mini1 and mini2; 3.11.2 on pi5 and pi4"
    assert problem.affects == NODES


def test_what_is_not_known_is_neither_equal_nor_different() -> None:
    rows, problems = told(nodes(code=each(CLEAN, CLEAN, CLEAN, SLOW)))
    assert problems == []
    why = "3f2a1c7, and whether it is changed is not known: git did not answer within 3 s"
    assert [(row.ok, row.unknown) for row in rows] == [(None, {"pi4": why})]
    [line] = parity_lines(rows)
    assert (line.mark.symbol, line.text) == (
        "?", f"code  3f2a1c7: mini1, mini2, pi5 · not known: pi4 ({why})",
    )  # fmt: skip
    # which others have it is then not said of all others
    [problem] = told(nodes(code=each(CLEAN, CLEAN, DIRTY, SLOW)))[1]
    assert problem.summary.endswith("on pi5; 3f2a1c7 on mini1 and mini2")
    rows, _ = told(nodes(unknown=each(*4 * [{"code": "no answer", "programs": "cut off"}])))
    assert [(row.thing, row.ok, len(row.unknown)) for row in rows] == [
        ("python3", None, 4), ("code", None, 4),
    ]  # fmt: skip
    assert all(line.mark.symbol == "?" for line in parity_lines(rows))


@pytest.mark.parametrize(
    ("code", "value"),
    [
        (Code("no tree"), "no git work tree"),
        (Code("no git"), "no git"),
        (Code("no commit"), "no commit yet"),
        (Code("tree", "ab" * 20, changed=0), "abababa"),
        (replace(DIRTY, changed=9, files=("a", "b")), "3f2a1c7 with changes in a, b and 7 more"),
    ],
)  # fmt: skip
def test_what_the_code_of_one_node_is(code: Code, value: str) -> None:
    [problem] = told(nodes(code=each(CLEAN, CLEAN, CLEAN, code)))[1]
    assert problem.summary == f"code differs: {value} on pi4; 3f2a1c7 on the others"


def test_other_changes_in_files_of_the_same_name_differ() -> None:
    other = replace(DIRTY, sum_of="77 45")
    [problem] = told(nodes(code=each(DIRTY, DIRTY, DIRTY, other)))[1]
    assert problem.node == "pi4"
    assert "train.py (checksum 77 45) on pi4; " in problem.summary
    assert told(nodes(code=DIRTY))[1] == []


def test_where_there_is_nothing_to_compare_nothing_is_said() -> None:
    for code in (Code("no tree"), Code("no git"), Code("no commit")):
        assert told(nodes(code=code)) == ([], [])
    assert told(nodes()) == ([], [])
    assert told({"mini1": facts(codes={JOB.name: CLEAN}, programs={})}) == ([], [])


def test_builds_and_tmux_are_compared_among_nodes_of_a_kind() -> None:
    mac, pi = SystemStatus(os="macos"), SystemStatus(os="linux")
    same = nodes(
        build=each(*2 * [Build("Mac", "macOS 15.6 (24G84)")], Build("Raspberry Pi 5", "debian 13"),
                   Build("Raspberry Pi 4", "debian 12")),
        system=each(mac, mac, pi, pi), tmux_version=each("3.5a", "3.5a", "3.3a", "3.3a"),
    )  # fmt: skip
    rows, problems = told(same)
    assert [row.label for row in rows] == ["system (Mac)", "tmux (macos)", "tmux (linux)"]
    assert problems == []
    newer = replace(same["mini2"], build=Build("Mac", "macOS 15.6.1 (24G90)"))
    [problem] = told({**same, "mini2": newer})[1]
    assert problem.summary == (
        "system (Mac) differs: macOS 15.6 (24G84) on mini1; macOS 15.6.1 (24G90) on mini2"
    )


def test_a_tree_that_was_synced_is_compared_and_sync_is_the_repair() -> None:
    codes = [Code("no tree", synced=key) for key in ("a" * 64, "a" * 64, "a" * 64, "")]
    rows, [problem] = told(nodes(code=each(*codes)))
    assert [row.thing for row in rows] == ["synced code"]
    assert problem.summary == (
        "synced code differs: never synced as a whole on pi4; tree aaaaaaa on the others"
    )
    assert problem.fix
    assert problem.fix.commands == ("fleetctl sync pi4",)


def test_what_is_missing_is_told_as_such_alone() -> None:
    needs = replace(JOB, requires=(Requirement("uv"), Requirement("python3", ">=", "3.11")))
    here = {"uv": Program("/bin/uv", "0.5.1"), "python3": Program("/bin/python3", "3.11.2")}
    without = {**here, "uv": Program(None)}
    old = {**here, "python3": Program("/bin/python3", "3.9.2")}
    for odd in (without, old):
        rows, problems = told(nodes(programs=each(here, here, here, odd)), needs)
        assert any(row.ok is not True for row in rows)
        assert problems == []
    newer = {**here, "uv": Program("/bin/uv", "0.6.0")}
    [problem] = told(nodes(programs=each(here, here, without, newer)), needs)[1]
    assert problem.summary == "uv differs: 0.6.0 on pi4; 0.5.1 on mini1 and mini2"


def test_code_that_is_known_in_part_differs_where_it_cannot_be_equal() -> None:
    elsewhere = replace(SLOW, commit="ab" * 20)
    [problem] = told(nodes(code=each(CLEAN, CLEAN, CLEAN, elsewhere)))[1]
    assert problem.summary.startswith(
        "code differs: abababa, and whether it is changed is not known"
    )
    large = replace(DIRTY, sum_of="", why="git did not answer within 3 s")
    [problem] = told(nodes(code=each(CLEAN, CLEAN, CLEAN, large)))[1]
    assert problem.summary == (
        "code differs: 3f2a1c7 with changes in train.py, not compared: "
        "git did not answer within 3 s on pi4; 3f2a1c7 on the others"
    )
    for others in (large, DIRTY):
        rows, problems = told(nodes(code=each(others, others, others, large)))
        assert ([row.ok for row in rows], problems) == ([None], [])
    gone = Code("unknown", why="fatal: index file corrupt")
    rows, problems = told(nodes(code=each(CLEAN, CLEAN, CLEAN, gone)))
    assert ([row.ok for row in rows], problems) == ([None], [])


def test_what_the_code_lacks_there_is_told_elsewhere() -> None:
    """As workdir-missing, and as requirement-missing."""
    rows, problems = told(nodes(code=each(CLEAN, CLEAN, CLEAN, Code("no folder"))))
    assert [(row.ok, row.unknown) for row in rows] == [(None, {"pi4": "its folder is not there"})]
    assert problems == []
    needs = replace(JOB, requires=(Requirement("git"),))
    git, none = {"git": Program("/usr/bin/git", "2.39.5")}, {"git": Program(None)}
    found = nodes(
        code=each(CLEAN, CLEAN, CLEAN, Code("no git")), programs=each(git, git, git, none)
    )
    assert told(found, needs)[1] == []
    assert len(told(found)[1]) == 1


def test_only_nodes_on_which_the_job_runs_are_compared() -> None:
    found = nodes(programs=python("3.11.2", "3.11.2", "3.11.2", "3.13.1"))
    without = job({"server": (["mini1"], []), "worker": (["mini2", "pi5"], ["server"])})
    assert told(found, without)[1] == []
    assert len(told(found, None)[1]) == 1
