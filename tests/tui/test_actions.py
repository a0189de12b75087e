"""Actions of keys: start, stop, restart, attach, leave; destructive ones ask first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace
from textual.widgets import OptionList

from fleetctl.errors import ConfigError, LinkError
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.progress import Progress
from fleetctl.model.status import Problem
from fleetctl.service import Attached
from fleetctl.tui import rereading
from fleetctl.tui.host import Left
from fleetctl.tui.job_action import JobAction
from fleetctl.tui.widgets import headline
from tests.tui.stage import JOB, EditedFile, Screen, Stage, opened, played

ALL = tuple(i.name for i in JOB.instances)


def down(stage: Stage) -> None:
    stage.states = dict.fromkeys(stage.states, "stopped")
    stage.change()


def test_start_shows_a_timeline_and_ends_ready() -> None:
    async def act(screen: Screen) -> None:
        down(screen.stage)
        await screen.until("0/5 ready")
        screen.stage.go_on.clear()
        await screen.type("s")
        await screen.until("start all of edp (5 instances)", "Running now: nothing")
        await screen.type("enter")
        text = await screen.until("Starting … 0 of 5", "◐ starting")
        assert "esc leaves it going on" in text
        await screen.type("escape")  # it goes on
        await screen.until("◐ starting … 0 of 5", "o opens it")
        screen.stage.go_on.set()
        await screen.until("start: 5 of 5 ready", "5/5 ready")
        await screen.type("o")
        text = await screen.until("Start: 5 of 5 ready", "█")
        assert "leaves it going on" not in text

    played(act)


def test_start_of_what_the_cursor_is_on() -> None:
    async def act(screen: Screen) -> None:
        down(screen.stage)
        await screen.until("0/5 ready")
        await screen.type("down", "down", "s", "down", "enter")
        await screen.until("Start: 1 of 1 ready")
        assert screen.stage.began == [("start", ("worker@mini3",))]

    played(act)


def test_a_start_that_is_refused_says_why() -> None:
    async def act(screen: Screen) -> None:
        down(screen.stage)
        await screen.until("0/5 ready")
        summary = "mini1 has no way back to edge51"
        screen.stage.refused = (Problem("return-route-missing", "error", summary, "mini1"),)
        await screen.type("s", "enter")
        text = await screen.until("nothing was started", summary)
        assert "To repair it: F" in text

    played(act)


@pytest.mark.parametrize(("key", "kind"), [("x", "stop"), ("r", "restart")])
def test_what_affects_a_running_job_asks_with_cancel_preselected(key: str, kind: str) -> None:
    async def act(screen: Screen) -> None:
        await screen.type(key)
        text = await screen.until("Cancel", f"{kind} all of edp")
        # what it affects, since the cursor is on the server
        assert "stops server@mini1: worker@mini2, worker@mini3, worker@pi5, worker@pi4 lose it" in (
            " ".join(text.replace("│", " ").split())
        )
        await screen.type("enter")
        await screen.until("nothing is wrong", gone="Cancel")
        assert screen.stage.began == []
        await screen.type(key, "escape")
        await screen.until("nothing is wrong", gone="Cancel")
        assert screen.stage.began == []

    played(act)


def test_stop_of_one_and_of_all() -> None:
    async def act(screen: Screen) -> None:
        await screen.type("end", "up", "up", "x", "down", "enter")
        await screen.until("Stop: 1 of 1 stopped")
        assert screen.stage.began == [("stop", ("worker@pi4",))]
        await screen.type("escape", "x", "down", "down", "enter")
        await screen.until("Stop: 5 of 5 stopped")
        assert screen.stage.began[1] == ("stop", ALL)

    played(act)


def test_the_question_says_what_is_not_known_and_what_else_runs() -> None:
    job = JOB.name

    async def act(screen: Screen) -> None:
        old = replace(JOB.instances[1], service="old")
        other = replace(old, service="idle", job="other", node="mini3")
        screen.stage.orphans = {"mini2": old, "mini3": other}
        screen.stage.world.hosts["pi4"].powered = False
        screen.stage.change()
        await screen.until("5/6 nodes", "service-orphaned")
        await screen.type("x")
        text = await screen.until("Cancel", "Not known, for it cannot be asked: worker@pi4.")
        said = " ".join(text.replace("│", " ").split())
        assert f"All also ends old@mini2 (its job {job} has no service old in nodes.yaml)." in said
        assert "Runs on: idle@mini3 (its job other has no service idle in nodes.yaml)." in said
        await screen.type("escape", "down", "enter")
        await screen.type("end")  # below what a terminal of this height shows
        await screen.until("Runs beside the job", "old@mini2", f"its job {job} has no service old")

    stage = Stage()

    async def body() -> None:
        fleet = replace(stage.fleet, jobs={**stage.fleet.jobs, "other": Job("other", {})})
        stage.fleet = fleet
        async with opened(stage=stage) as screen:
            await act(screen)

    asyncio.run(asyncio.wait_for(body(), 40))


def test_the_line_of_an_action_goes_when_it_is_no_longer_true() -> None:
    async def act(screen: Screen) -> None:
        await screen.type("x", "down", "down", "enter")
        await screen.until("Stop: 5 of 5 stopped")
        await screen.type("escape")
        await screen.until("stop: 5 of 5 stopped", "0/5 ready")
        screen.stage.states["worker@pi4"] = "ready"
        screen.stage.change()
        await screen.until("1/5 ready", gone="stop: 5 of 5 stopped")
        await screen.type("e")
        await screen.until("stop: 5 of 5 stopped")

    played(act)


def test_the_line_of_an_action_goes_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headline, "STAYS_S", 0.3)

    async def act(screen: Screen) -> None:
        await screen.type("x", "down", "down", "enter")
        await screen.until("Stop: 5 of 5 stopped")
        await screen.type("escape")
        await screen.until("0/5 ready", gone="stop: 5 of 5 stopped")

    played(act)


def test_a_start_that_failed_is_seen_after_its_line_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(headline, "STAYS_S", 0.3)

    async def act(screen: Screen) -> None:
        down(screen.stage)
        await screen.until("0/5 ready")
        screen.stage.bugs["start"] = LinkError("pi4", "env_file edp.env is not there")
        await screen.type("s", "enter")
        await screen.until("env_file edp.env is not there")
        await screen.type("escape")
        await screen.until(
            "✖ start of 5 instances: pi4: env_file edp.env is not there  [o] opens it",
            gone="o opens it",
        )
        await screen.type("tab", "tab", "slash", "z", "z")
        await screen.until("no problem has 'zz'", gone="✖ start of 5 instances")
        await screen.type("escape")
        await screen.until("✖ start of 5 instances")
        await screen.type("e")
        await screen.until("start: pi4: env_file edp.env is not there")
        del screen.stage.bugs["start"]
        await screen.type("escape", "s", "enter")
        await screen.until("Start: 5 of 5 ready")
        await screen.type("escape")
        await screen.until("5/5 ready", "nothing is wrong", gone="env_file")

    played(act)


def test_restart_stops_and_starts() -> None:
    async def act(screen: Screen) -> None:
        await screen.type("r", "down", "down", "enter")
        await screen.until("Restart: 5 of 5 ready")
        assert [what for what, _ in screen.stage.began] == ["stop", "start"]

    played(act)


def test_a_restart_that_could_not_start_again_stops_nothing() -> None:
    async def act(screen: Screen) -> None:
        screen.stage.refused = (Problem("forwarding-off", "error", "mini3 forwards not", "mini3"),)
        await screen.type("r", "down", "down", "enter")
        await screen.until("mini3 forwards not")
        assert screen.stage.began == []

    played(act)


def test_what_did_not_stop_is_not_started_again() -> None:
    async def act(screen: Screen) -> None:
        screen.stage.stubborn = {"worker@pi4"}
        await screen.type("r", "down", "down", "enter")
        await screen.until("worker@pi4 did not stop, so nothing was started again.")
        assert [what for what, _ in screen.stage.began] == ["stop"]

    played(act)


def test_only_one_start_or_stop_at_a_time() -> None:
    async def act(screen: Screen) -> None:
        screen.stage.go_on.clear()
        await screen.type("x", "down", "down", "enter", "escape")
        await screen.until("stopping … 0 of 5")
        await screen.type("s")  # shows what goes on instead
        await screen.until("Stopping … 0 of 5")
        assert len(screen.stage.began) == 1
        screen.stage.go_on.set()

    played(act)


@pytest.mark.parametrize("key", ["x", "ctrl+c"])
@pytest.mark.parametrize("leave_its_screen", [False, True])
def test_a_start_can_be_ended_and_what_was_begun_runs_on(key: str, leave_its_screen: bool) -> None:
    async def act(screen: Screen) -> None:
        down(screen.stage)
        await screen.until("0/5 ready")
        screen.stage.go_on.clear()
        await screen.type("s", "enter")
        await screen.until("Starting … 0 of 5", "x ends it", "◐ starting")
        if leave_its_screen:
            await screen.type("escape")
            await screen.until("Topology")
        await screen.type(key)
        await screen.until("A start goes on", "Begun by it: server@mini1.", "go on waiting")
        await screen.type("enter")  # goes on is preselected
        await screen.until("tarting … 0 of 5", gone="A start goes on")
        await screen.type(key, "down", "enter")
        await screen.until("tart: no longer waited for; 0 of 5 ready", gone="x ends it")
        assert screen.stage.began == [("start", ALL)]
        assert not screen.app._exit

    played(act)


def test_what_a_start_has_begun_can_be_stopped() -> None:
    async def act(screen: Screen) -> None:
        down(screen.stage)
        await screen.until("0/5 ready")
        screen.stage.go_on.clear()
        await screen.type("s", "enter")
        await screen.until("◐ starting")
        await screen.type("x", "down", "down")
        await screen.until("stop what was begun: server@mini1")
        await screen.type("enter")
        await screen.until("Stopping … 0 of 1")
        screen.stage.go_on.set()
        await screen.until("Stop: 1 of 1 stopped", gone="end it")
        assert screen.stage.began == [("start", ALL), ("stop", ("server@mini1",))]
        await screen.type("escape")
        await screen.until("Topology")

    played(act)


def test_what_ran_before_a_start_is_not_stopped_with_it() -> None:
    async def act(screen: Screen) -> None:
        screen.stage.go_on.clear()
        await screen.type("s", "enter")
        await screen.until("◐ starting")
        await screen.type("x")
        text = await screen.until("Begun by it: nothing.", "stop waiting")
        assert "stop what was begun" not in text
        screen.stage.go_on.set()

    played(act)


def test_ctrl_c_does_not_leave() -> None:
    async def act(screen: Screen) -> None:
        await screen.type("ctrl+c")
        await screen.until("To leave: q")
        assert not screen.app._exit

    played(act)


def test_one_key_looks_and_another_types(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    async def attach(self: Stage, instance: Instance, *, read_only: bool, lent: object) -> Attached:
        asked.append(read_only)
        return Attached(0, runs=True)

    monkeypatch.setattr(Stage, "attach", attach)

    async def act(screen: Screen) -> None:
        await screen.type("a")
        await screen.until("Left the window of server@mini1")
        await screen.type("A")
        async with asyncio.timeout(8):
            while len(asked) < 2:
                await screen.pilot.pause()
        assert asked == [True, False]

    played(act)


def test_attach_lends_the_terminal_to_what_the_cursor_is_on() -> None:
    async def act(screen: Screen) -> None:
        # the headless driver has no terminal to lend
        screen.app._driver.suspend_application_mode = lambda: None  # type: ignore[union-attr, method-assign]
        screen.app._driver.resume_application_mode = lambda: None  # type: ignore[union-attr, method-assign]
        type(screen.app._driver).can_suspend = True  # type: ignore[union-attr, method-assign]
        await screen.type("down", "a")
        await screen.until("Left the window of", "it runs on")
        assert screen.stage.began == [("attach", ("worker@mini2",))]
        await screen.type("end", "a")
        await screen.until("Nothing that fleetctl starts runs on ipad")

    played(act)


def left(act: Callable[[Screen], Awaitable[None]], file: EditedFile | None = None) -> Left | None:
    """What the app returns when it is left by ``act``."""

    async def body() -> Left | None:
        async with opened(file=file) as screen:
            await act(screen)
            async with asyncio.timeout(8):
                while not screen.app._exit:
                    await screen.pilot.pause()
            return screen.app.return_value

    return asyncio.run(asyncio.wait_for(body(), 40))


def test_leaving_stops_nothing() -> None:
    async def act(screen: Screen) -> None:
        await screen.type("q")

    assert left(act) == Left()


def test_leaving_hands_a_start_over() -> None:
    async def act(screen: Screen) -> None:
        screen.stage.go_on.clear()
        await screen.type("s", "enter")
        await screen.until("Starting … 0 of 5")
        await screen.type("escape", "q")

    assert left(act) == Left(ALL)


def test_leaving_in_the_middle_of_a_stop_asks() -> None:
    async def act(screen: Screen) -> None:
        screen.stage.go_on.clear()
        await screen.type("x", "down", "down", "enter")
        await screen.until("Stopping … 0 of 5")
        await screen.type("escape", "q")
        await screen.until("A stop goes on", "Stay", "Leave now")
        await screen.type("enter")  # Stay is preselected
        await screen.until("Topology", gone="A stop goes on")
        assert not screen.app._exit
        await screen.type("q")
        await screen.until("A stop goes on")
        await screen.type("down", "enter")

    assert left(act) == Left()


def test_a_changed_file_is_told_and_read_again_only_where_it_can_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rereading, "EVERY_S", 0.05)
    file = EditedFile()
    file.noted = ["/x/nodes.yaml decides which host keys count (known_hosts: ./keys for pi4)"]

    async def act(screen: Screen) -> None:
        await screen.until("which host keys count", "./keys for pi4")
        file.written = True
        await screen.until("nodes.yaml was changed", "Read nodes.yaml again")
        screen.stage.go_on.clear()
        await screen.type("s", "enter")
        await screen.until("Starting … 0 of 5")
        screen.app.action_reread()
        await screen.until("Not while a start goes on")
        screen.stage.go_on.set()
        await screen.until("Start: 5 of 5 ready")
        await screen.type("escape")
        file.mistake = ConfigError(["nodes.yaml:3:10: [pi5] is no key"])
        await screen.type("ctrl+p", *"read nodes", "enter")
        await screen.until("not taken as it is", "nodes.yaml:3:10: [pi5] is no key")
        file.mistake = None
        await screen.type("ctrl+p", *"read nodes", "enter")

    assert left(act, file) == Left(again=file.says)


def test_everything_is_in_the_palette_too() -> None:
    async def act(screen: Screen) -> None:
        await screen.type("ctrl+p")
        await screen.until("Search")
        await screen.type(*"Show pi4")
        await screen.until("all that is known of the node")
        await screen.type("down", "enter")
        await screen.until("192.168.51.4", "expected", "observed")

    played(act)


def test_the_mouse_chooses_and_opens() -> None:
    async def act(screen: Screen) -> None:
        rows = screen.app.screen.query_one("NodesPanel OptionList", OptionList)
        await screen.pilot.click(rows, offset=(10, 4), times=2)
        await screen.until("192.168.51.4", "expected", "observed")

    played(act)


@pytest.mark.parametrize(
    ("kind", "states", "well"),
    [
        ("start", ("ready", "exited"), True),
        ("start", ("ready", "unhealthy"), False),
        ("start", ("ready", "running"), False),
        ("start", ("ready",), False),
        ("stop", ("stopped", "stopped"), True),
        ("stop", ("stopped", "ready"), False),
    ],
)
def test_an_action_succeeded_if_all_is_as_it_should_be(
    kind: Any, states: tuple[Any, ...], well: bool
) -> None:
    action = JobAction(1, kind, ("a", "b"))
    for name, state in zip("ab", states, strict=False):
        action = action.with_progress(Progress(kind, name, state, None, 1.0))
    assert action.over().succeeded == well
    assert not action.over("it broke").succeeded
