"""Every key acts on the row that the visible cursor is on, and says which that is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace
from textual.content import Content

from fleetctl.model.repairs import KeptRecord, RepairRecord, StepOutcome
from fleetctl.model.status import RepairStep
from fleetctl.repair.rounds import Rounds
from fleetctl.tui.widgets.rows import Rows
from tests.tui.stage import JOB, Screen, Stage, opened, played


@pytest.mark.parametrize(("key", "kind"), [("s", "start"), ("x", "stop"), ("r", "restart")])
def test_a_key_in_the_topology_acts_on_the_node_with_the_cursor_there(key: str, kind: str) -> None:
    async def act(screen: Screen) -> None:
        await screen.type("end", "up", "up")  # among the nodes: pi4
        await screen.until("x stop worker@pi4")
        await screen.type("shift+tab")  # the topology's cursor followed
        await screen.type("left", "up")
        await screen.until("x stop server@mini1")
        await screen.type(key)
        await screen.until("The cursor is on server@mini1.", f"{kind} only server@mini1")
        await screen.type("escape", "tab", "down")  # that of the nodes followed, too
        await screen.until("x stop worker@mini2")

    played(act, (160, 40))


def test_a_node_with_several_instances_offers_each() -> None:
    worker = JOB.services["worker"]
    more = (*worker.instances, replace(worker.instances[0], node="mini1"))
    job = replace(JOB, services={**JOB.services, "worker": replace(worker, instances=more)})

    async def body() -> None:
        stage = Stage(job=job)
        async with opened(stage=stage, ready="6/6 ready") as screen:
            await screen.type("shift+tab")
            await screen.until("x stop mini1 (2)")
            await screen.type("x")
            await screen.until("stop only server@mini1 and worker@mini1", "stop only worker@mini1")
            await screen.type("down", "enter")
            await screen.until("Stop: 1 of 1 stopped")
            assert stage.began == [("stop", ("worker@mini1",))]
            await screen.type("escape", "A")
            await screen.until("Type into which window", "The cursor is on mini1.")

    asyncio.run(asyncio.wait_for(body(), 40))


def test_with_a_filter_without_hits_a_key_acts_on_nothing() -> None:
    async def act(screen: Screen) -> None:
        await screen.type("down", "n", *"zzz", "enter")
        await screen.until("Nodes · 0 of 7")
        await screen.until("stop edp")
        await screen.type("x")
        text = await screen.until("The cursor is on no row", "stop all of edp")
        assert "only" not in text
        await screen.type("escape", "a")
        await screen.until("Nothing that fleetctl starts runs where the cursor is")
        await screen.type("f")
        await screen.until("The cursor is on no node", "repairs of all.")
        await screen.type("escape")  # no filter: the cursor is where it was
        await screen.until("stop worker@mini2")

    played(act, (160, 40))


def test_a_key_in_the_problems_acts_on_the_instance_that_the_problem_is_about() -> None:
    async def act(screen: Screen) -> None:
        screen.stage.states["worker@pi4"] = "failed"
        screen.stage.change()
        await screen.until("service-failed")
        await screen.type("tab", "tab")
        await screen.until("stop worker@pi4")
        await screen.type("s")
        await screen.until("start only worker@pi4")
        await screen.type("down", "enter")
        await screen.until("Start: 1 of 1 ready")
        assert screen.stage.began == [("start", ("worker@pi4",))]

    played(act, (160, 40))


def test_a_key_in_the_logs_acts_on_the_instance_that_is_shown() -> None:
    async def act(screen: Screen) -> None:
        await screen.type("down", "l")
        await screen.until("Logs · worker@mini2", "stop worker@mini2")
        await screen.type("right_square_bracket")
        await screen.until("Logs · worker@mini3", "stop worker@mini3")
        await screen.type("x")
        await screen.until("stop only worker@mini3")
        await screen.type("escape", "L")
        await screen.until("Logs · all", "stop worker@mini3")
        await screen.type("shift+tab", "up", "l")
        await screen.until("Logs · worker@mini2")

    played(act, (160, 40))


def test_the_cursor_keeps_its_row_when_rows_come_and_go() -> None:
    async def act(screen: Screen) -> None:
        screen.stage.states["worker@pi4"] = "failed"
        screen.stage.change()
        await screen.until("Problems · 1")
        await screen.type("tab", "tab")
        screen.stage.world.hosts["mini3"].forwarding = False  # comes before it
        screen.stage.change()
        text = await screen.until("Problems · 2", "stop worker@pi4")
        assert text.index("forwarding-off") < text.index("service-failed")
        screen.stage.world.hosts["mini3"].forwarding = True
        screen.stage.change()
        await screen.until("Problems · 1", "stop worker@pi4", gone="forwarding-off")

    played(act, (160, 40))


async def two_wrong(screen: Screen) -> None:
    """The nodes mini3 and pi4 can each be repaired."""
    screen.stage.world.hosts["mini3"].forwarding = False
    screen.stage.world.hosts["mini1"].routes.clear()
    screen.stage.change()
    await screen.until("forwarding-off", "return-route-missing")


def test_f_repairs_the_problem_under_the_cursor_and_capital_f_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fleetctl.repair.proposals._ask", lambda links, node: _no_setup())
    ran: list[tuple[str, str]] = []

    async def apply(self: Rounds, node: str, repairs, report) -> None:  # type: ignore[no-untyped-def]
        ran.extend((node, repair.problem.code) for repair in repairs)

    monkeypatch.setattr(Rounds, "apply", apply)

    async def act(screen: Screen) -> None:
        await two_wrong(screen)
        await screen.type("tab", "tab", "home")
        await screen.until("fix return-route-missing")
        node, code = "mini1", "return-route-missing"
        await screen.type("f")
        text = await screen.until(f"Fix · {code} · {node}", "y runs")
        other = {"forwarding-off", "return-route-missing"} - {code}
        assert not any(name in text for name in other)
        await screen.type("y", "escape")
        await screen.until("Topology")
        assert {code for _, code in ran} == {code}
        await screen.type("F")
        await screen.until("Fix · all problems", "forwarding-off", "return-route-missing")

    played(act, (160, 40))


def test_f_among_the_nodes_repairs_that_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetctl.repair.proposals._ask", lambda links, node: _no_setup())

    async def act(screen: Screen) -> None:
        await two_wrong(screen)
        await screen.type("down", "down", "f")  # mini3
        text = await screen.until("Fix · all problems · mini3", "y runs 1 command on mini3")
        assert "return-route-missing" not in text

    played(act, (160, 40))


async def _no_setup() -> str:
    return "not asked here"


def test_undo_shows_what_it_will_do_and_does_it_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    step = RepairStep("sudo sysctl -w net.ipv4.ip_forward=1", "forwards", "sudo sysctl -w x=0")
    record = RepairRecord(
        node="mini3", code="forwarding-off", at=datetime(2026, 1, 31, tzinfo=UTC), step=step
    )
    kept = {"mini3": (KeptRecord("1", record),)}

    async def records(self: Rounds, node: str) -> tuple[KeptRecord, ...]:
        return kept.get(node, ())

    async def undo(self: Rounds, node: str, records: object, report) -> None:  # type: ignore[no-untyped-def]
        kept.clear()
        report(StepOutcome(node, "forwarding-off", "sudo sysctl -w x=0", "done"))

    monkeypatch.setattr(Rounds, "records", records)
    monkeypatch.setattr(Rounds, "undo", undo)

    async def act(screen: Screen) -> None:
        await screen.type("u")  # the cursor is on mini1
        await screen.until("Undo · mini1", "nothing to undo")
        await screen.type("escape", "down", "down", "u")
        await screen.until(
            "Undo · mini3", "sudo sysctl -w x=0", "takes back", "y runs 1 command on mini3"
        )
        await screen.type("escape")
        await screen.until("Topology")
        assert kept
        await screen.type("U")
        await screen.until("Undo · 6 nodes", "y runs 1 command on mini3")
        await screen.type("y")
        await screen.until("● mini3: sudo sysctl -w x=0 done", "nothing to undo")

    played(act, (160, 40))


def test_rows_that_all_go_leave_no_cursor_and_bring_it_back() -> None:
    async def act(screen: Screen) -> None:
        rows = screen.app.screen.query_one("NodesPanel Rows", Rows)
        await screen.type("end")
        kept = rows.key
        shown = [(key, Content(key)) for key in rows.keys]
        rows.show([])
        assert rows.key is None
        rows.show(shown)
        assert rows.key == kept

    played(act, (160, 40))


def test_what_is_marked_is_what_keys_act_on() -> None:
    async def act(screen: Screen) -> None:
        await screen.type("down", "space", "down", "space")
        await screen.until("x stop 2 marked", "Nodes · 2 marked", "● ◆")
        await screen.type("end", "x")
        await screen.until("Marked: worker@mini2, worker@mini3.", "stop all of edp")
        await screen.type("up", "up", "enter")
        await screen.until("Stop: 2 of 2 stopped")
        assert screen.stage.began == [("stop", ("worker@mini2", "worker@mini3"))]
        await screen.type("escape", "l")
        await screen.until("Logs · worker@mini2, worker@mini3")
        await screen.type("shift+tab", "shift+tab", "left", "up", "space")  # both of pi4's node
        await screen.until("x stop 3 marked")
        await screen.type("space")
        await screen.until("x stop 2 marked")
        await screen.type("escape")
        await screen.until("Nodes ─", gone="◆")

    played(act, (160, 40))


def test_a_slash_filters_the_panel_with_the_cursor() -> None:
    async def act(screen: Screen) -> None:
        screen.stage.states["worker@pi4"] = "failed"
        screen.stage.world.hosts["mini3"].forwarding = False
        screen.stage.change()
        await screen.until("Problems · 2")
        await screen.type("slash", *"pi5", "enter")
        await screen.until("Nodes · 1 of 7", "x stop worker@pi5")
        await screen.type("escape", "tab", "tab", "slash", *"failed", "enter")
        await screen.until("with 'failed'", "x stop worker@pi4", gone="✖ forwarding-off")
        await screen.type("slash", "escape", "shift+tab", "slash", *"step", "enter")
        await screen.until("filter /step/", "✖ forwarding-off")
        await screen.type("shift+tab", "shift+tab", "slash", *"mini2", "enter")
        await screen.until("Topology · with 'mini2'", "x stop worker@mini2")

    played(act, (160, 40))


def test_one_click_selects_and_two_open() -> None:
    async def act(screen: Screen) -> None:
        rows = screen.app.screen.query_one("NodesPanel Rows", Rows)
        await screen.pilot.click(rows, offset=(12, 3))
        await screen.until("x stop worker@pi5")
        assert len(screen.app.screen_stack) == 1
        await screen.pilot.click(rows, offset=(12, 2), times=2)
        await screen.until("Network: expected beside observed", "mini3")
        await screen.type("right_square_bracket")  # the next node, from inside one
        await screen.until("╭─ pi5")
        await screen.type("escape")
        await screen.until("x stop worker@pi5")

    played(act, (160, 40))


def test_the_line_of_a_log_that_is_clicked_is_what_keys_act_on() -> None:
    async def act(screen: Screen) -> None:
        screen.stage.write("worker@mini3", "step 1")
        await screen.until("worker@mini3 | step 1")
        await screen.pilot.click("LogLines", offset=(2, 0))
        await screen.until("x stop worker@mini3", "Logs · all")
        await screen.pilot.click("LogLines", offset=(2, 0), times=2)
        await screen.until("Logs · worker@mini3")

    played(act, (160, 40))


def test_a_key_acts_on_the_row_to_which_the_key_before_it_went() -> None:
    async def act(screen: Screen) -> None:
        rows = screen.app.screen.query_one("NodesPanel Rows", Rows)
        for _ in range(2):  # faster than messages are handled
            rows.action_cursor_down()
            await screen.app.screen.run_action("mark")
        assert screen.app.under_cursor.name == "worker@mini2, worker@mini3"

    played(act, (160, 40))
