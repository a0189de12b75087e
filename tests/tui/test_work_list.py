"""Problems as a work list: keys that help, last lines, boxes of repairs, sudo's password, undo."""

from __future__ import annotations

import asyncio
import os
import termios
from contextlib import nullcontext
from pathlib import Path

import pytest

from fleetctl.errors import UsageError
from fleetctl.link.protocol import ANSWER_BYTES, Completed
from fleetctl.model.status import Fix, Problem, RepairStep, ServiceState, ServiceStatus
from fleetctl.model.sudo import SudoPassword
from fleetctl.tui.asked_password import PROMPT, ask_password
from fleetctl.tui.remedies import helping
from fleetctl.tui.widgets.problems_panel import ProblemsPanel
from tests.tui.stage import Screen, Stage, opened, played
from tests.tui.test_screens import Links, OneNode

FORWARD = "sysctl -w net.ipv4.ip_forward=1"


@pytest.mark.parametrize(
    ("code", "state", "fix", "repaired", "keys"),
    [
        ("service-failed", "failed", False, (), ["start", "logs"]),
        ("service-unhealthy", "unhealthy", False, (), ["restart", "logs"]),
        ("service-silent", "ready", False, (), ["logs"]),
        ("service-failed", "unknown", False, (), ["logs"]),
        ("forwarding-off", "failed", True, (), ["fix"]),
        ("forwarding-off", "ready", False, (("pi4", "forwarding-off"),), ["undo"]),
        ("forwarding-off", "ready", False, (("pi4", "address-missing"),), []),
        ("forwarding-off", "ready", False, (("pi5", "forwarding-off"),), []),
    ],
)
def test_each_line_has_the_keys_that_help(
    code: str,
    state: ServiceState,
    fix: bool,
    repaired: tuple[tuple[str, str], ...],
    keys: list[str],
) -> None:
    services = {"worker@pi4": ServiceStatus("worker", "pi4", 0, state)}
    steps = (RepairStep("sudo true", "does it", "sudo false", lasts=True),)
    remedy = Fix(("sudo true",), "pi4", steps) if fix else None
    problem = Problem(code, "error", "it", "pi4", ("worker@pi4",), fix=remedy)
    found = helping((problem,), services, repaired)
    assert [action for action, _ in found] == keys


def test_a_failed_instance_has_its_keys_and_its_last_lines() -> None:
    async def act(screen: Screen) -> None:
        stage = screen.stage
        for number in range(3):
            stage.write("worker@pi4", f"step {number}")
        stage.write("worker@pi4", "RuntimeError: out of memory")
        await screen.until("RuntimeError: out of memory")
        stage.states["worker@pi4"] = "failed"
        stage.change()
        text = await screen.until("[s] start [l] log", "┆ step 2", "┆ RuntimeError: out of memory")
        assert "┆ step 1" not in text

    played(act, (100, 30))


class Asks(OneNode):
    """Its sudo wants a password."""

    def __init__(self, stage: Stage, node: str) -> None:
        super().__init__(stage, node)
        self.given: list[bytes] = []

    async def run(
        self, script: str, *, stdin: bytes = b"", timeout_s: float, most_bytes: int = ANSWER_BYTES
    ) -> Completed:
        if "sudo -n -l" in script:
            return Completed(b"sudo: a password is required\n\x1e1\x1e", b"", 0)
        if "sudo -k -S" in script:
            self.given.append(stdin)
            if FORWARD in script:
                self.ran += 1
                self._stage.world.hosts[self.node].forwarding = True
        return Completed(b"", b"", 0)


def test_boxes_choose_and_sudo_gets_its_password_for_one_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage()
    links = Links(stage)
    links.mini3 = asks = Asks(stage, "mini3")
    stage.links = links  # type: ignore[assignment]  # no node is to be connected to

    async def check(*_: object, **__: object) -> object:
        return stage.world.check()

    async def typed() -> SudoPassword:
        return SudoPassword("correct horse")

    async def act(screen: Screen) -> None:
        app = screen.app
        stage.world.hosts["mini3"].forwarding = False
        stage.change()
        await screen.until("forwarding-off", "[f] fix")
        await screen.type("F")
        await screen.until("▸ [x] ✖ forwarding-off", "y runs 1 command on mini3")
        await screen.type("space")
        await screen.until("[ ] ✖ forwarding-off", "nothing is chosen")
        await screen.type("y")
        assert asks.ran == 0
        await screen.type("space")
        await screen.until("[x] ✖ forwarding-off", "y runs 1 command on mini3")
        await screen.type("y")
        await screen.until("without a password", "P: type its password")
        assert asks.ran == 0
        monkeypatch.setattr("fleetctl.tui.lending.ask_password", typed)
        monkeypatch.setattr(app, "suspend", nullcontext)  # no terminal is there to be lent
        await screen.type("P")
        await screen.until("sudo gets the password that you typed, once")
        assert "horse" not in screen.text
        await screen.type("y")
        await screen.until("● mini3: sudo sysctl", "done", gone="y runs")
        assert asks.ran == 1
        assert set(asks.given) == {b"correct horse\n"}
        assert app.screen.password is None  # type: ignore[attr-defined]
        await screen.type("escape")
        repaired = "repaired from here: forwarding-off on mini3  [u] undo"
        await screen.until(repaired)
        screen.app.screen.query_one(ProblemsPanel).find("Forwarding-OFF")
        await screen.until(repaired, "with 'Forwarding-OFF'")

    async def body() -> None:
        stage.check = check  # type: ignore[method-assign, assignment]
        async with opened(stage=stage) as screen:
            await act(screen)

    asyncio.run(asyncio.wait_for(body(), 40))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (b"correct horse\n", b"correct horse\n"),
        (b"corr\x03", None),
        (b"\n", None),
        (b"", None),
    ],
)
def test_what_is_typed_is_not_shown_and_ctrl_c_goes_back(keys: bytes, said: bytes | None) -> None:
    ours, theirs = os.openpty()
    path = os.ttyname(theirs)
    before = termios.tcgetattr(theirs)

    async def body() -> SudoPassword:
        asking = asyncio.ensure_future(ask_password(path, wait_s=20 if keys else 0.1))
        shown = b""
        while PROMPT.encode() not in shown:
            shown += await asyncio.to_thread(os.read, ours, 1024)
        os.write(ours, keys)
        return await asking

    try:
        if said is None:
            with pytest.raises(UsageError, match="no password was typed"):
                asyncio.run(asyncio.wait_for(body(), 30))
        else:
            assert asyncio.run(asyncio.wait_for(body(), 30)).stdin == said
        assert termios.tcgetattr(theirs) == before
        os.write(theirs, b".")  # so that there is something to read
        assert b"corr" not in os.read(ours, 1024)
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_terminal_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be opened to ask on"):
        asyncio.run(ask_password(str(tmp_path / "none")))
