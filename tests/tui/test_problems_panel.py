"""The panel of problems: order, groups that open, and what leads from it."""

from __future__ import annotations

import asyncio

import pytest

from fleetctl.model.status import Problem
from fleetctl.tui.widgets.problems_panel import ProblemsPanel, group_line, problem_line
from tests.tui.fleets import stage_of
from tests.tui.stage import Screen, opened, played

SIZES = [(80, 24), (120, 40)]


@pytest.mark.parametrize("size", SIZES)
def test_the_same_cause_on_many_nodes_is_one_row_that_opens(size: tuple[int, int]) -> None:
    async def act(screen: Screen) -> None:
        for name in ("worker@mini2", "worker@mini3", "worker@pi4"):
            screen.stage.states[name] = "failed"
        screen.stage.change()
        text = await screen.until("Problems · 3", "service-failed on 3 nodes ▸ mini2, mini3, pi4")
        assert "worker@mini2 failed" not in text
        await screen.type("tab", "tab", "enter")
        await screen.until("service-failed on 3 nodes ▾", "worker@mini2 failed")
        await screen.type("down", "enter")
        await screen.until("What repairs it", "worker@mini2 failed")
        await screen.type("escape", "left")
        await screen.until("service-failed on 3 nodes ▸", gone="worker@mini2 failed")
        await screen.type("right")
        await screen.until("worker@mini2 failed")
        screen.stage.states["worker@pi4"] = "ready"
        screen.stage.change()
        await screen.until("Problems · 2", "worker@mini3 failed", gone="on 3 nodes")
        panel = screen.app.screen.query_one(ProblemsPanel)
        panel.take_job(screen.stage.job)
        assert panel.border_title == "Problems"  # of another job nothing is known yet

    played(act, size)


def test_of_many_names_the_first_are_on_the_line_and_all_in_the_details() -> None:
    nodes = [f"n{i}" for i in range(200)]
    group = [Problem("too-hot", "warning", "it", n, (f"w@{n}", "tracker@other")) for n in nodes]
    line = group_line(group, opened=False).plain
    assert line == "▲ too-hot on 200 nodes ▸ n0, n1, n2, n3, n4, n5 and 194 more → tracker@other"
    one = Problem("link-down", "error", "a cable", "n1", tuple(f"w@{n}" for n in nodes))
    assert problem_line(one).plain.endswith("→ w@n0, w@n1, w@n2, w@n3, w@n4, w@n5 and 194 more")


def test_the_details_of_a_group_name_each_node() -> None:
    async def body() -> None:
        async with opened((200, 50), stage_of(12), ready="12/12 ranks") as screen:
            names = [i.name for i in screen.stage.job.instances]
            for name in names:
                screen.stage.states[name] = "failed"
            screen.stage.change()
            last = names[-1].rpartition("@")[2]
            text = await screen.until("Problems · 12", "and 6 more")
            assert sum(last in line for line in text.splitlines() if "service-failed" in line) == 0
            await screen.type("tab", "tab")
            await screen.until("service-failed on 12 nodes", f"{last}", "The first of them")

    asyncio.run(asyncio.wait_for(body(), 60))
