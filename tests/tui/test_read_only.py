"""``fleetctl --read-only``: by whatever way an action comes, nothing is changed, and it says so."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from typing import Any

import pytest
from textual.dom import DOMNode

from fleetctl import demo
from fleetctl.cli import run
from fleetctl.service import FleetService
from fleetctl.tui import read_only
from fleetctl.tui.app import FleetApp
from fleetctl.tui.job_action import JobAction
from fleetctl.tui.limits import CHANGES, Limits
from fleetctl.tui.palette import commands
from fleetctl.tui.screens.action import ActionScreen
from fleetctl.tui.screens.undo import UndoScreen
from fleetctl.tui.widgets.key_line import KeyLine
from tests.tui.stage import Screen, Stage
from tests.tui.test_limited import public
from tests.tui.test_own_names import classes

LOOKS = {
    *("again", "all_logs", "aside", "back", "bench", "by_time", "cancel", "check", "choose"),
    *("clear", "context", "copy", "curve", "cycle", "down", "events", "filter", "find"),
    *("find_node", "first", "fix", "fix_all", "fold", "follow", "go", "help", "hurry"),
    *("interrupt", "jobs", "layout", "leave", "link", "links", "logs", "look_at", "mark", "move"),
    *("now", "open", "open_action", "page", "pause", "persistent", "raw", "reread", "search"),
    *("sort", "span", "times", "topology", "training", "undo", "undo_all", "unfold", "unmark"),
    *("up", "wrap", "zoom"),
}
"""Actions that change nothing but what is seen. A new action belongs here or into CHANGES."""


def own_actions() -> Iterator[str]:
    for one in filter(lambda one: issubclass(one, DOMNode), classes()):
        for name, _ in inspect.getmembers(one, inspect.isfunction):
            if name.startswith("action_") and name in vars(one):
                yield name.removeprefix("action_")


def test_of_each_action_it_is_said_whether_it_changes_something() -> None:
    found = set(own_actions())
    assert found - CHANGES == LOOKS
    assert CHANGES - found == set()


class Patient(FleetApp):
    """What it says stays until it is seen."""

    NOTIFICATION_TIMEOUT = 120


class Watched(Stage):
    """Notes what is asked of it that is not only looking."""

    def __init__(self) -> None:
        super().__init__()
        self.changed: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name in CHANGING:
            self.changed.append(name)
        return super().__getattribute__(name)


CHANGING = public(FleetService) - read_only.READS - {"with_job", "fix", "attach"}


class ReadOnly(Screen):
    """A read-only dashboard, and what is asked of its fleet."""

    stage: Watched

    async def refused(self, act: Callable[[], Awaitable[object] | object]) -> None:
        """``act`` says why it does nothing, and no other screen comes."""
        below = self.app.screen
        found = act()
        if inspect.isawaitable(found):
            await found
        async with asyncio.timeout(20):
            while not any(read_only.SENTENCE in n.message for n in self.app._notifications):
                await self.pilot.pause()
        self.app.clear_notifications()
        assert self.app.screen is below
        self.unchanged()

    def unchanged(self) -> None:
        assert self.stage.changed == []
        assert {kind for kind, _ in self.stage.began} <= {"attach"}  # to look, or it was refused


@asynccontextmanager
async def opened(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ReadOnly]:
    def too_late(*_: object, **__: object) -> None:
        raise AssertionError("the action went as far as the service")

    monkeypatch.setattr(read_only, "_refuse", too_late)
    stage = Watched()
    app = Patient(stage, limits=Limits(read_only=True))
    async with app.run_test(size=(160, 50), notifications=True) as pilot:
        screen = ReadOnly(app, pilot, stage)
        await screen.until("5/5 ready", timeout_s=30)
        yield screen


def played(monkeypatch: pytest.MonkeyPatch, act: Callable[[ReadOnly], Awaitable[object]]) -> None:
    async def body() -> None:
        async with opened(monkeypatch) as screen:
            await act(screen)
            screen.unchanged()

    asyncio.run(asyncio.wait_for(body(), 200))


def test_keys_of_each_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(screen: ReadOnly) -> None:
        app, stage = screen.app, screen.stage
        assert "stop edp" not in screen.lines()[-1]
        for key in ("s", "x", "r", "A", "p", "D"):
            await screen.refused(partial(screen.type, key))
        await screen.type("l")
        await screen.until("Logs · server@mini1")
        await screen.refused(lambda: screen.type("ctrl+s"))
        stage.world.hosts["mini3"].forwarding = False
        stage.change()
        await screen.until("forwarding-off")
        await screen.type("F")
        await screen.until("y runs 1 command")
        await screen.refused(lambda: screen.type("y"))
        await screen.refused(lambda: screen.type("P"))
        await screen.type("escape", "U")
        await screen.until("Undo · ")
        assert isinstance(app.screen, UndoScreen)
        for action in ("apply", "password"):
            await screen.refused(partial(app.run_action, action, app.screen))
        await screen.type("escape", "b")
        await screen.until("over time")
        await screen.type("b")
        await screen.until("Bench · what the links carry", read_only.SENTENCE[:28])
        app.clear_notifications()
        await screen.refused(lambda: screen.type("y"))
        await screen.type("escape", "escape")
        app.job_action = JobAction(1, "start", ("server@mini1",))  # one that is being carried out
        await screen.type("o")
        await screen.until("x ends it")
        assert isinstance(app.screen, ActionScreen)
        await screen.refused(lambda: screen.type("x"))

    played(monkeypatch, act)


def test_the_mouse(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(screen: ReadOnly) -> None:
        line = screen.app.screen.query_one(KeyLine)
        named = {key.action.removeprefix("app.") for key in line.named()}
        assert named and not named & CHANGES
        screen.stage.world.hosts["mini3"].forwarding = False
        screen.stage.change()
        await screen.until("forwarding-off")
        await screen.type("F")
        await screen.until("y runs 1 command", " y run these commands")
        at = screen.lines()[-1].index("run these")
        await screen.refused(lambda: screen.pilot.click(KeyLine, offset=(at, 0)))

    played(monkeypatch, act)


def kind(title: str) -> str:
    """What is the same for each node or instance."""
    return re.sub("^(Attach|Look at|Show|Ask every) .*", r"\1", title)


def test_every_command_of_the_palette(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = ("Start", "Stop", "Restart", "Attach", "Web page", "Screen as text")

    async def act(screen: ReadOnly) -> None:
        app = screen.app
        every = [c for c in commands(app, app.guide) if not c.title.startswith(("Leave", "Read n"))]
        found = list({kind(command.title): command for command in every}.values())
        assert 30 < len(found) < len(every)
        assert not any(c.title.startswith(("Tour", "Mend")) for c in found)
        told = set()
        for command in found:
            run_it = command.callback
            if command.title.startswith(refused):
                told |= {one for one in refused if command.title.startswith(one)}
                await screen.refused(run_it)
                continue
            done = run_it()
            if inspect.isawaitable(done):
                await done
            await screen.pilot.pause()
            while len(app.screen_stack) > 1:
                app.pop_screen()
        assert told == set(refused)

    monkeypatch.setattr(FleetApp, "suspend", lambda app: nullcontext())  # there is no terminal
    played(monkeypatch, act)


def test_dialogs_and_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """What begins by an answer, or by a tour that was shown before."""

    async def act(screen: ReadOnly) -> None:
        app, job = screen.app, screen.stage.job
        for kind in ("start", "stop", "restart"):
            await screen.refused(partial(app.acting.act, kind, job.instances, everything=True))
        scenario = demo.Scenario("cut", "Cut a cable", "pi4", "link-down", "see", None, "heal", "h")
        await screen.refused(lambda: app.guide.break_it(scenario))
        await screen.refused(lambda: app.guide.mend(scenario))
        await screen.refused(lambda: app.attach(job.instances[0], read_only=False))

    played(monkeypatch, act)


def test_it_is_for_the_dashboard_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--read-only", "status"]) == 2
    assert "--read-only is about the dashboard" in capsys.readouterr().err
