"""What is shown can be told apart, does not end in the middle, and names what is meant."""

from __future__ import annotations

import asyncio
import re

import pytest
from rich.cells import cell_len
from textual.content import Content

from fleetctl.model.status import Problem
from fleetctl.tui.fitting import Wrapping, fitted
from fleetctl.tui.links import Link
from fleetctl.tui.ranks import ranks, rows, straggler
from fleetctl.tui.selection import stop_words
from fleetctl.tui.sheets import node_sheet, page_text
from fleetctl.tui.targets import choices
from fleetctl.tui.under_cursor import NOTHING, UnderCursor, of_problems
from fleetctl.undertakings import Snapshot
from tests.health.world import World
from tests.tui.fleets import fleet_of, moving, stage_of
from tests.tui.stage import FLEET, JOB, Stage, opened

NAMES = [f"rack-two-shelf-{number:03}-mac-mini" for number in (1, 2, 14)]


def link(first: str, last: str, network: str) -> Link:
    key = (first, last, network)
    return Link(key, (first, last), False, None, 1.0, (), (), (), None, False)


@pytest.mark.parametrize("columns", [22, 44])
def test_links_of_long_names_differ(columns: int) -> None:
    ends = [(a, b) for a in NAMES for b in NAMES if a != b]
    short = [link(*end, "data").short(columns, NAMES) for end in ends]
    assert len(set(short)) == len(ends)
    assert all(cell_len(text) <= columns for text in short)
    assert "001" in short[0] and "002" in short[0]
    assert columns == 22 or short[0].endswith(" data")


@pytest.mark.parametrize("width", range(20, 60))
def test_keys_of_a_row_stay_together(width: int) -> None:
    row = Wrapping(Content("one two three four five six seven"), Content("  [s] start [l] log"))
    (shown,) = fitted([row], width, 9)
    lines = [line.plain for line in shown.wrap(width)]
    assert sum("[s] start [l] log" in line for line in lines) == 1
    assert len(lines) == shown.get_height({}, width)


def test_the_last_line_names_what_x_would_stop_beside_problems() -> None:
    names = [i.name for i in JOB.instances]
    each = [Problem("answer-incomplete", "error", "no", n.rpartition("@")[2]) for n in names]
    assert stop_words(of_problems(each[:3], JOB), JOB) == "3 instances"
    assert stop_words(of_problems(each[:1], JOB), JOB) == names[0]


def test_one_instance_is_no_instances() -> None:
    job = fleet_of(1).jobs["train"]
    said = [choice.label for choice in choices("stop", job, NOTHING)]
    assert said == ["Cancel", "stop all of train (1 instance)"]
    three = UnderCursor("3 nodes: x", ("mini2", "mini3", "pi4"), JOB.instances[1:4])
    each = [f"start only {instance.name}" for instance in three.instances]
    told = [choice.label for choice in choices("start", JOB, three)]
    assert told == ["start all of edp (5 instances)", "start only 3 instances", *each, "Cancel"]


def test_a_rank_that_is_ahead_is_not_behind() -> None:
    stage = stage_of(3)
    steps = zip(stage.job.instances, (7700, 7739, 7760), strict=True)
    stage.steps = {instance.name: moving(step) for instance, step in steps}

    async def body() -> list[str]:
        checked = await stage.check()
        found = ranks(stage.job, Snapshot(checked, {}))
        head, *lines = (row.plain for row in rows(found, checked.status, 120))
        return [line[head.index("behind") :].split()[0] for line in lines]

    assert asyncio.run(body()) == ["39", "0", "0"]


def test_of_a_rank_that_a_root_cause_affects_the_cause_is_named() -> None:
    stage = Stage()
    stage.world.hosts["mini3"].forwarding = False
    stage.states["worker@pi4"] = "failed"
    snapshot = Snapshot(asyncio.run(stage.check()), {})
    told = [line.plain for line in straggler(ranks(JOB, snapshot), JOB, snapshot)]
    assert any(
        "affected by forwarding-off on mini3, service-failed on pi4" in line for line in told
    )


def test_a_long_command_goes_on_below_itself() -> None:
    text = page_text("Run\n\n```\nfleetctl status --json worker@pi4\n```\n", 24).plain
    assert "    fleetctl status\n      --json worker@pi4" in text


def test_the_last_column_of_a_wide_table_goes_below_the_others() -> None:
    status = World(FLEET).check().status
    wide, narrow = (
        [line.plain for line in node_sheet(status, "pi4", None, "now", {}, columns)]
        for columns in (200, 76)
    )
    assert any(line.endswith("after a reboot") for line in wide)
    assert any(line.startswith("   after a reboot: ") for line in narrow)


def test_a_fleet_of_one_has_no_link_and_says_so() -> None:
    async def body() -> None:
        async with opened((80, 24), stage_of(1), ready="1/1 ranks") as screen:
            await screen.type("b")
            await screen.until("no node has a link or path to another", gone="reading …")

    asyncio.run(asyncio.wait_for(body(), 40))


def test_what_is_wrong_with_a_lost_node_was_not_measured_by_it() -> None:
    async def body() -> None:
        stage = stage_of(3)
        async with opened((80, 24), stage, ready="3/3 ranks") as screen:
            stage.world.hosts["n002"].powered = False
            stage.change()
            await screen.until("ssh-timeout")
            await screen.type("tab", "tab", "enter")
            await screen.until("measured  here; n002 answered last at")
            await screen.type("escape", "question_mark")
            text = await screen.until("─ Help")
            assert not re.search(r"^│ [a-z]+ +[│▁]", text, re.MULTILINE)  # a word by itself

    asyncio.run(asyncio.wait_for(body(), 40))
