"""A bug in any action is shown, and the dashboard goes on."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.tui.stage import Screen, played

TUI = Path(__file__).parents[2] / "fleetctl" / "tui"
BUG = ZeroDivisionError("whatever")
SAID = "ZeroDivisionError"


@pytest.mark.parametrize(
    ("action", "keys"),
    [
        ("start", ["s", "enter"]),
        ("attach", ["a"]),
        ("fix", ["f"]),
        ("raw", ["enter", "o"]),
    ],
)
def test_an_error_of_an_action_is_shown(action: str, keys: Sequence[str]) -> None:
    async def act(screen: Screen) -> None:
        screen.stage.bugs[action] = BUG
        for key in keys:
            await screen.type(key)
            await screen.pilot.pause()
        await screen.until("This is a mistake in fleetctl", SAID)
        await screen.type("escape")
        await screen.until("Topology", "Problems")

    played(act)


def test_fix_can_be_tried_again_after_it_broke() -> None:
    async def act(screen: Screen) -> None:
        screen.stage.bugs["fix"] = BUG
        await screen.type("f")
        await screen.until(SAID, "not known")
        del screen.stage.bugs["fix"]
        await screen.type("escape", "f")
        await screen.until("all is as nodes.yaml wants it")

    played(act)


def test_a_repair_that_breaks_runs_no_further_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from fleetctl.repair.rounds import Rounds

    async def broken(*_: object) -> None:
        raise BUG

    monkeypatch.setattr(Rounds, "apply", broken)
    monkeypatch.setattr("fleetctl.repair.proposals._ask", lambda links, node: _no_setup())

    async def act(screen: Screen) -> None:
        screen.stage.world.hosts["mini3"].forwarding = False
        screen.stage.change()
        await screen.until("forwarding-off")
        await screen.type("F")
        await screen.until("y runs 1 command on mini3")
        await screen.type("y")
        await screen.until(SAID, "not known")
        await screen.type("escape")
        await screen.until("Topology", "forwarding-off")

    played(act)


async def _no_setup() -> str:
    return "not asked here"


def test_logs_that_cannot_be_saved_do_not_end_it_either(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise BUG

    monkeypatch.setattr("fleetctl.tui.logs.panel.save", broken)

    async def act(screen: Screen) -> None:
        await screen.type("l", "ctrl+s")
        await screen.until(SAID)

    played(act)


def test_every_worker_is_made_where_its_failure_is_caught() -> None:
    """No file of the dashboard but one calls ``run_worker``, or decorates with ``work``."""
    made = {
        file.relative_to(TUI).as_posix()
        for file in TUI.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if (isinstance(node, ast.Attribute) and node.attr == "run_worker")
        or (isinstance(node, ast.ImportFrom) and any(a.name == "work" for a in node.names))
    }
    assert made == {"background.py"}
